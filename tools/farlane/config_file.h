// SPDX-License-Identifier: Apache-2.0
// ConfigFile is the file in which somebody keeps what he would say to farlane each time: contexts,
// each a name for some settings, and which of them is the current one. It is a small part of YAML,
// so that people can write it, and what they have written beside stays when it is changed:
//
//   current-context: lab
//   contexts:
//     lab:
//       pool: gpus:7443
//       project: vision
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/base/result.h"

namespace farlane::cli {

// Thread: caller's.
class ConfigFile {
 public:
  struct Context {
    std::string name;
    std::vector<std::pair<std::string, std::string>> settings;  // as they stand there
    std::optional<std::string> Find(const std::string& key) const;
  };

  // A file that is not there is empty. One that others may write to is not believed.
  static Result<ConfigFile> Read(const std::string& path);
  // A sentence with the line that is not understood.
  static Result<ConfigFile> Parse(const std::string& text, const std::string& path);

  const std::string& path() const { return path_; }

  const std::string& current() const { return current_; }  // empty: none

  const std::vector<Context>& contexts() const { return contexts_; }

  // Null: there is none of this name.
  const Context* Find(const std::string& name) const;

  Status SetCurrent(const std::string& name);
  // The context comes to be, if need be.
  Status Set(const std::string& context, const std::string& key, const std::string& value);
  // False: it is not there.
  Result<bool> Unset(const std::string& context, const std::string& key);
  Result<bool> Remove(const std::string& context);

  // All at once, or not at all; readable for its owner only.
  Status Write() const;
  std::string Text() const;

 private:
  struct Line {
    size_t indent = 0;
    std::string key{};    // empty: nothing but a comment
    std::string value{};  // empty: others are below it
    std::string text{};   // as it stands there
  };

  explicit ConfigFile(std::string path) : path_(std::move(path)) {}

  Status Understand();
  Status Odd(size_t line, const std::string& what) const;
  Status Change(std::vector<Line> lines);
  std::optional<size_t> LineOf(const std::string& context, const std::string& key) const;
  size_t EndOf(size_t heading) const;

  static Result<Line> Split(const std::string& text);

  std::string path_;
  std::vector<Line> lines_;
  std::string current_;
  std::vector<Context> contexts_;
};

// Names of contexts: letters, digits, '.', '_' and '-', and they do not begin with '-'.
bool IsContextName(const std::string& name);

}  // namespace farlane::cli
