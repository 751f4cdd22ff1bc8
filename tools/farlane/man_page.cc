// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/man_page.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "tools/farlane/exit_codes.h"

namespace farlane::cli {
namespace {

// As troff reads it: a hyphen is no minus, and a line does not begin with a dot.
std::string Roff(const std::string& text) {
  std::string escaped;
  for (const char letter : text) {
    const bool begins = escaped.empty() || escaped.back() == '\n';
    escaped += begins && (letter == '.' || letter == '\'') ? "\\&" : "";
    escaped += letter == '\\' ? "\\e" : letter == '-' ? "\\-" : std::string(1, letter);
  }
  return escaped;
}

std::string Upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), ::toupper);
  return text;
}

// A macro's argument that may have spaces.
std::string Argument(const std::string& text) {
  std::string quoted = "\"";
  for (const char letter : Roff(text)) {
    quoted += letter == '"' ? "\\(dq" : std::string(1, letter);
  }
  return quoted + "\"";
}

std::string Head(const std::string& page, const std::string& version, const std::string& what) {
  return ".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Made by farlane man.\n.TH " +
         Argument(Upper(page)) + " 1 \"\" " + Argument("Farlane " + version) +
         " \"Farlane\"\n.SH NAME\n" + Roff(page) + " \\- " + Roff(what) + "\n";
}

std::string OptionText(const OptionWords& option) {
  std::string names;
  for (const std::string& name : option.names) {
    names += (names.empty() ? "" : ", ") + ("\\fB" + Roff(name) + "\\fR");
  }
  if (option.takes_value) {
    names += " \\fI" + Roff(option.value_name.empty() ? "VALUE" : option.value_name) + "\\fR";
  }
  std::string text = ".TP\n" + names + "\n" + Roff(option.description) + "\n";
  if (!option.values.empty()) {
    std::string values;
    for (const std::string& value : option.values) {
      values += (values.empty() ? "" : ", ") + value;
    }
    text += "(" + Roff(values) + ")\n";
  }
  return text;
}

std::string OptionsText(const std::vector<OptionWords>& options) {
  std::string text = options.empty() ? "" : ".SH OPTIONS\n";
  for (const OptionWords& option : options) {
    text += OptionText(option);
  }
  return text;
}

std::vector<std::string> Paragraphs(const std::string& text) {
  std::vector<std::string> paragraphs;
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find("\n\n", start), text.size());
    if (end > start) {
      paragraphs.push_back(text.substr(start, end - start));
    }
    start = end + 2;
  }
  return paragraphs;
}

// Lines that stand in columns stay as they are.
std::string ParagraphText(const std::string& paragraph) {
  return paragraph.find("\n  ") == std::string::npos ? ".PP\n" + Roff(paragraph) + "\n"
                                                     : ".PP\n.nf\n" + Roff(paragraph) + "\n.fi\n";
}

struct Sections {
  std::string description;
  std::string exit_status;
  std::string examples;
};

Sections SectionsOf(const std::string& footer) {
  constexpr char kExit[] = "Exit code: ";
  Sections sections;
  for (const std::string& paragraph : Paragraphs(footer)) {
    const size_t line = std::min(paragraph.find('\n'), paragraph.size());
    if (paragraph.starts_with("Example")) {
      sections.examples +=
          ".nf\n" + Roff(paragraph.substr(std::min(line + 1, paragraph.size()))) + "\n.fi\n";
    } else if (paragraph.starts_with(kExit)) {
      sections.exit_status += ".PP\n" + Roff(paragraph.substr(sizeof kExit - 1)) + "\n";
    } else {
      sections.description += ParagraphText(paragraph);
    }
  }
  return sections;
}

std::string Section(const char* title, const std::string& text) {
  return text.empty() ? "" : std::string(".SH ") + title + "\n" + text;
}

std::string ExitCodesText() {
  std::string text;
  for (const ExitCode& code : ExitCodes()) {
    text += ".TP\n\\fB" + Roff(code.number) + "\\fR\n" + Roff(code.what) + "\n";
  }
  return text;
}

}  // namespace

std::string MainPage(const CommandWords& words, const std::string& version) {
  std::string text = Head("farlane", version, words.description) +
                     ".SH SYNOPSIS\n\\fBfarlane\\fR \\fIVERB\\fR [\\fIOPTIONS\\fR]\n.SH VERBS\n";
  for (const VerbWords& verb : words.verbs) {
    text += ".TP\n\\fB" + Roff(verb.name) + "\\fR\n" + Roff(verb.description) +
            "; see \\fBfarlane\\-" + Roff(verb.name) + "\\fR(1)\n";
  }
  const Sections sections = SectionsOf(words.footer);
  return text + OptionsText(words.options) + Section("NOTES", sections.description) +
         Section("EXIT STATUS", ExitCodesText()) + Section("EXAMPLES", sections.examples) +
         ".SH FILES\n.TP\n\\fI~/.config/farlane/config.yaml\\fR\ncontexts, see "
         "\\fBfarlane\\-config\\fR(1)\n";
}

std::string VerbPage(const VerbWords& verb, const std::string& version) {
  const Sections sections = SectionsOf(verb.footer);
  return Head("farlane-" + verb.name, version, verb.description) + ".SH SYNOPSIS\n\\fBfarlane " +
         Roff(verb.name) + "\\fR " + Roff(verb.usage) + "\n" +
         Section("DESCRIPTION", ".PP\n" + Roff(verb.description) + ".\n" + sections.description) +
         OptionsText(verb.options) +
         Section("EXIT STATUS", sections.exit_status.empty()
                                    ? "See \\fBfarlane\\fR(1).\n"
                                    : sections.exit_status + ".PP\nSee \\fBfarlane\\fR(1).\n") +
         Section("EXAMPLES", sections.examples) + ".SH SEE ALSO\n\\fBfarlane\\fR(1)\n";
}

}  // namespace farlane::cli
