// SPDX-License-Identifier: Apache-2.0
// ChangeLog tells what has come, changed and gone among objects of one kind since a version. It is
// given all of them now and then and compares: whoever changes one need not think of who watches.
// It remembers so many changes and no more, whatever those who read them do: who is slower finds
// that what he wants is gone, and begins anew.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace farlane::pool {

enum class ChangeKind : uint8_t { kAdded, kModified, kDeleted };

// Thread: caller's.
template <typename Object>
class ChangeLog {
 public:
  struct Change {
    ChangeKind kind = ChangeKind::kAdded;
    uint64_t version = 0;
    std::shared_ptr<const Object> object;  // shared by all who are told of it
  };

  explicit ChangeLog(size_t changes_max) : changes_max_(changes_max) {}

  // All there are now: `key` names one, `face` is what makes a difference if it changes.
  template <typename Key, typename Face>
  void Refresh(const std::vector<Object>& objects, const Key& key, const Face& face) {
    ++round_;
    for (const Object& object : objects) {
      const auto [found, is_new] = known_.try_emplace(key(object));
      Known& known = found->second;
      std::string seen = face(object);
      known.round = round_;
      if (is_new || known.face != seen) {
        known.face = std::move(seen);
        known.object = std::make_shared<const Object>(object);
        Note(is_new ? ChangeKind::kAdded : ChangeKind::kModified, known.object);
      }
    }
    for (auto one = known_.begin(); one != known_.end();) {
      if (one->second.round == round_) {
        ++one;
        continue;
      }
      Note(ChangeKind::kDeleted, one->second.object);
      one = known_.erase(one);
    }
  }

  uint64_t version() const { return version_; }

  // What came after this version, at most so many; nothing: it is not known any more.
  std::optional<std::vector<Change>> After(uint64_t version, size_t most) const {
    if (version > version_ || version + changes_.size() < version_) {
      return std::nullopt;
    }
    const auto first = changes_.end() - static_cast<ptrdiff_t>(version_ - version);
    const auto count = std::min<size_t>(most, version_ - version);
    return std::vector<Change>(first, first + static_cast<ptrdiff_t>(count));
  }

 private:
  struct Known {
    std::string face;
    std::shared_ptr<const Object> object;
    uint64_t round = 0;
  };

  void Note(ChangeKind kind, std::shared_ptr<const Object> object) {
    changes_.push_back({kind, ++version_, std::move(object)});
    if (changes_.size() > changes_max_) {
      changes_.pop_front();
    }
  }

  const size_t changes_max_;
  std::map<std::string, Known> known_;
  std::deque<Change> changes_;  // the last of them is of version_
  uint64_t version_ = 0;
  uint64_t round_ = 0;
};

}  // namespace farlane::pool
