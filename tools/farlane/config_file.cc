// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/config_file.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/fd.h"
#include "protocol/base/own_folder.h"

namespace farlane::cli {
namespace {

constexpr char kCurrent[] = "current-context";
constexpr char kContexts[] = "contexts";
constexpr size_t kBytesMax = 1 << 20;

// Where a comment begins: at a '#' that nothing, or a space, stands before.
size_t CommentIn(const std::string& text, size_t from) {
  for (size_t at = text.find('#', from); at != std::string::npos; at = text.find('#', at + 1)) {
    if (at == 0 || text[at - 1] == ' ' || text[at - 1] == '\t') {
      return at;
    }
  }
  return text.size();
}

std::string Trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(' ');
  return first == std::string::npos
             ? ""
             : text.substr(first, text.find_last_not_of(" \t\r") + 1 - first);
}

// "in quotes" with \" and \\, or 'so' with ''. Nothing: it does not end, or more follows.
std::optional<std::string> Unquoted(const std::string& text) {
  const char quote = text[0];
  std::string plain;
  size_t at = 1;
  for (; at < text.size() && (text[at] != quote || (quote == '\'' && text.substr(at, 2) == "''"));
       ++at) {
    at += (quote == '"' && text[at] == '\\') || text[at] == quote ? 1 : 0;
    plain += at < text.size() ? text[at] : ' ';
  }
  const bool ends =
      at < text.size() &&
      Trimmed(text.substr(at + 1, CommentIn(text, at + 1) - std::min(at + 1, text.size()))).empty();
  return ends ? std::optional(plain) : std::nullopt;
}

// What means something else to YAML when it stands without quotes.
bool NeedsQuotes(const std::string& value) {
  return value.empty() || value.find_first_of("[]{}&*!|>%@`\"'#,?-: \t", 0) == 0 ||
         value.find(": ") != std::string::npos || value.find(" #") != std::string::npos ||
         value.back() == ':' || value.back() == ' ';
}

std::string Quoted(const std::string& value) {
  if (!NeedsQuotes(value)) {
    return value;
  }
  std::string quoted = "\"";
  for (const char letter : value) {
    quoted += letter == '"' || letter == '\\' ? "\\" : "";
    quoted += letter;
  }
  return quoted + "\"";
}

Result<std::string> ReadAll(int file, const std::string& path) {
  std::string text;
  char bytes[4096];
  for (ssize_t got = 1; got != 0;) {
    got = read(file, bytes, sizeof bytes);
    if (got < 0 && errno != EINTR) {
      return Status::FromErrno(StatusCode::kUnavailable, "cannot read " + path, errno);
    }
    text.append(bytes, got > 0 ? static_cast<size_t>(got) : 0);
    if (text.size() > kBytesMax) {
      return Status(StatusCode::kInvalidArgument, path + " has more than 1 MiB");
    }
  }
  return text;
}

}  // namespace

bool IsContextName(const std::string& name) {
  return !name.empty() && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), [](unsigned char letter) {
           return isalnum(letter) != 0 || letter == '.' || letter == '_' || letter == '-';
         });
}

std::optional<std::string> ConfigFile::Context::Find(const std::string& key) const {
  for (const auto& [known, value] : settings) {
    if (known == key) {
      return value;
    }
  }
  return std::nullopt;
}

Result<ConfigFile> ConfigFile::Read(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    return errno == ENOENT || errno == ENOTDIR
               ? Result<ConfigFile>(ConfigFile(path))
               : Status::FromErrno(StatusCode::kUnavailable, "cannot read " + path, errno);
  }

  struct stat facts {};

  if (fstat(file.get(), &facts) != 0 || S_ISDIR(facts.st_mode)) {
    return Status(StatusCode::kInvalidArgument, path + " is no file");
  }
  // Whoever can change it says where programs and tokens go.
  const bool is_file = S_ISREG(facts.st_mode);
  if (is_file && (facts.st_mode & S_IWOTH) != 0) {
    return Status(StatusCode::kInvalidArgument,
                  path + " can be written by others, and is not believed: chmod o-w it");
  }
  if (is_file && facts.st_uid != 0 && facts.st_uid != geteuid()) {
    return Status(StatusCode::kInvalidArgument,
                  path + " is somebody else's, and is not believed: copy it to a file of your own");
  }
  FARLANE_ASSIGN(const std::string text, ReadAll(file.get(), path));
  return Parse(text, path);
}

Result<ConfigFile> ConfigFile::Parse(const std::string& text, const std::string& path) {
  ConfigFile file(path);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    Result<Line> split = Split(line);
    if (!split.ok()) {
      return file.Odd(file.lines_.size(), split.error().message());
    }
    file.lines_.push_back(std::move(split).value());
  }
  FARLANE_TRY(file.Understand());
  return file;
}

Result<ConfigFile::Line> ConfigFile::Split(const std::string& text) {
  Line line{.text = text};
  line.indent = std::min(text.find_first_not_of(' '), text.size());
  const std::string words = Trimmed(text.substr(0, text.size()));
  if (words.empty() || words[0] == '#' || words == "---") {
    return line;
  }
  const Status odd(StatusCode::kInvalidArgument, "is not \"KEY: VALUE\"");
  const size_t colon = words.find(':');
  if (colon == std::string::npos || (colon + 1 < words.size() && words[colon + 1] != ' ')) {
    return odd;
  }
  line.key = words.substr(0, colon);
  if (!IsContextName(line.key)) {
    return Status(StatusCode::kInvalidArgument, "has \"" + line.key + "\" where a name is wanted");
  }
  const std::string rest = Trimmed(words.substr(colon + 1));
  if (rest.empty() || rest[0] == '#') {
    return line;
  }
  if (rest[0] == '"' || rest[0] == '\'') {
    const std::optional<std::string> plain = Unquoted(rest);
    line.value = plain.value_or("");
    return plain.has_value() && !plain->empty() ? Result<Line>(line) : odd;
  }
  line.value = Trimmed(rest.substr(0, CommentIn(rest, 0)));
  if (std::string("[]{}&*!|>%@`").find(line.value[0]) != std::string::npos) {
    return Status(
        StatusCode::kInvalidArgument,
        "has a value that begins with '" + line.value.substr(0, 1) + "': put it in quotes");
  }
  return line;
}

Status ConfigFile::Odd(size_t line, const std::string& what) const {
  return Status(StatusCode::kInvalidArgument,
                path_ + ": line " + std::to_string(line + 1) + " " + what);
}

// Headings and what is below them, by how far they are indented.
Status ConfigFile::Understand() {
  current_.clear();
  contexts_.clear();
  bool in_contexts = false;
  size_t context_indent = 0;
  size_t setting_indent = 0;
  for (size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[i];
    if (line.key.empty()) {
      continue;
    }
    if (line.indent == 0) {
      in_contexts = line.key == kContexts && line.value.empty();
      context_indent = 0;
      if (line.key == kCurrent && !line.value.empty()) {
        current_ = line.value;
      } else if (!in_contexts) {
        return Odd(i, "is neither \"current-context: NAME\" nor \"contexts:\"");
      }
      continue;
    }
    context_indent = context_indent == 0 ? line.indent : context_indent;
    if (!in_contexts || line.indent < context_indent) {
      return Odd(i, "is indented, but nothing is above it");
    }
    if (line.indent == context_indent) {
      if (!line.value.empty() || Find(line.key) != nullptr) {
        return Odd(i, line.value.empty() ? "has a context that there is already"
                                         : "has a value where a context begins");
      }
      contexts_.push_back({.name = line.key, .settings = {}});
      setting_indent = 0;
      continue;
    }
    setting_indent = setting_indent == 0 ? line.indent : setting_indent;
    if (line.value.empty() || line.indent != setting_indent || contexts_.empty() ||
        contexts_.back().Find(line.key).has_value()) {
      return Odd(i, "is no setting, or one that there is already");
    }
    contexts_.back().settings.emplace_back(line.key, line.value);
  }
  return Status::Ok();
}

const ConfigFile::Context* ConfigFile::Find(const std::string& name) const {
  const auto found = std::find_if(contexts_.begin(), contexts_.end(),
                                  [&name](const Context& one) { return one.name == name; });
  return found == contexts_.end() ? nullptr : &*found;
}

// Of a context (its heading), or of a setting in it.
std::optional<size_t> ConfigFile::LineOf(const std::string& context, const std::string& key) const {
  bool in_contexts = false;
  std::optional<size_t> heading;
  size_t context_indent = 0;
  for (size_t i = 0; i < lines_.size(); ++i) {
    const Line& line = lines_[i];
    if (line.key.empty()) {
      continue;
    }
    if (line.indent == 0) {
      in_contexts = line.key == kContexts;
      context_indent = 0;
      continue;
    }
    context_indent = context_indent == 0 ? line.indent : context_indent;
    if (in_contexts && line.indent == context_indent) {
      heading = line.key == context ? std::optional(i) : std::nullopt;
      if (heading.has_value() && key.empty()) {
        return heading;
      }
    } else if (heading.has_value() && line.key == key) {
      return i;
    }
  }
  return std::nullopt;
}

// Behind the last line that is below it; comments behind that belong to what follows.
size_t ConfigFile::EndOf(size_t heading) const {
  size_t end = heading + 1;
  for (size_t i = heading + 1; i < lines_.size(); ++i) {
    if (lines_[i].key.empty()) {
      continue;
    }
    if (lines_[i].indent <= lines_[heading].indent) {
      break;
    }
    end = i + 1;
  }
  return end;
}

// Only if it can be understood afterwards.
Status ConfigFile::Change(std::vector<Line> lines) {
  std::swap(lines_, lines);
  const Status status = Understand();
  if (!status.ok()) {
    std::swap(lines_, lines);
    static_cast<void>(Understand().ok());  // it was understood before
  }
  return status;
}

Status ConfigFile::SetCurrent(const std::string& name) {
  std::vector<Line> lines = lines_;
  const Line line{.key = kCurrent, .value = name, .text = std::string(kCurrent) + ": " + name};
  const auto found = std::find_if(lines.begin(), lines.end(), [](const Line& one) {
    return one.indent == 0 && one.key == kCurrent;
  });
  if (found != lines.end()) {
    *found = line;
  } else {
    const auto first =
        std::find_if(lines.begin(), lines.end(), [](const Line& one) { return !one.key.empty(); });
    lines.insert(first, line);
  }
  return Change(std::move(lines));
}

Status ConfigFile::Set(const std::string& context,
                       const std::string& key,
                       const std::string& value) {
  constexpr size_t kIndent = 2;
  if (value.empty() || value.find_first_of("\r\n") != std::string::npos) {
    return Status(StatusCode::kInvalidArgument, "a setting is one line, and not empty");
  }
  std::vector<Line> lines = lines_;
  const auto make = [](size_t indent, const std::string& name, const std::string& text) {
    return Line{
        .indent = indent,
        .key = name,
        .value = text,
        .text = std::string(indent, ' ') + name + ":" + (text.empty() ? "" : " " + Quoted(text))};
  };
  if (const auto at = LineOf(context, key)) {
    lines[*at] = make(lines[*at].indent, key, value);
    return Change(std::move(lines));
  }
  if (const auto heading = LineOf(context, "")) {
    const size_t end = EndOf(*heading);
    const size_t indent =
        end == *heading + 1 ? lines[*heading].indent + kIndent : lines[end - 1].indent;
    lines.insert(lines.begin() + static_cast<ptrdiff_t>(end), make(indent, key, value));
    return Change(std::move(lines));
  }
  auto all = std::find_if(lines.begin(), lines.end(),
                          [](const Line& one) { return one.indent == 0 && one.key == kContexts; });
  if (all == lines.end()) {
    lines.push_back(make(0, kContexts, ""));
    all = lines.end() - 1;
  }
  const auto heading = static_cast<size_t>(all - lines.begin());
  std::swap(lines_, lines);
  const size_t end = EndOf(heading);
  std::swap(lines_, lines);
  const size_t indent = end == heading + 1 || contexts_.empty()
                            ? kIndent
                            : lines[*LineOf(contexts_.back().name, "")].indent;
  lines.insert(lines.begin() + static_cast<ptrdiff_t>(end),
               {make(indent, context, ""), make(indent + kIndent, key, value)});
  return Change(std::move(lines));
}

Result<bool> ConfigFile::Unset(const std::string& context, const std::string& key) {
  const auto at = LineOf(context, key);
  if (key.empty() || !at.has_value()) {
    return false;
  }
  std::vector<Line> lines = lines_;
  lines.erase(lines.begin() + static_cast<ptrdiff_t>(*at));
  FARLANE_TRY(Change(std::move(lines)));
  return true;
}

Result<bool> ConfigFile::Remove(const std::string& context) {
  const auto at = LineOf(context, "");
  if (!at.has_value()) {
    return false;
  }
  std::vector<Line> lines = lines_;
  lines.erase(lines.begin() + static_cast<ptrdiff_t>(*at),
              lines.begin() + static_cast<ptrdiff_t>(EndOf(*at)));
  if (context == current_) {
    std::erase_if(lines, [](const Line& one) { return one.indent == 0 && one.key == kCurrent; });
  }
  FARLANE_TRY(Change(std::move(lines)));
  return true;
}

std::string ConfigFile::Text() const {
  std::string text;
  for (const Line& line : lines_) {
    text += line.text + "\n";
  }
  return text;
}

Status ConfigFile::Write() const {
  char whole[PATH_MAX];
  const std::string path = realpath(path_.c_str(), whole) == nullptr ? path_ : whole;
  if (const size_t slash = path.rfind('/'); slash != std::string::npos && slash != 0) {
    FARLANE_TRY(MakeOwnFolder(path.substr(0, slash)));
  }
  std::string fresh = path + ".XXXXXX";
  const std::string text = Text();
  const Fd file(mkstemp(fresh.data()));  // readable for nobody else
  const bool written =
      file.valid() &&
      write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      fsync(file.get()) == 0 && rename(fresh.c_str(), path.c_str()) == 0;
  if (!written) {
    const int error = errno;
    unlink(fresh.c_str());
    return Status::FromErrno(StatusCode::kUnavailable, "cannot write " + path, error);
  }
  return Status::Ok();
}

}  // namespace farlane::cli
