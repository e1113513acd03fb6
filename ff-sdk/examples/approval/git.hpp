#pragma once
// What the worker asks git.

#include <optional>
#include <string>
#include <vector>

namespace approval {

// Output of `git -C <repository> <words>…`, without its last newline; nullopt: git refused. No shell is involved.
std::optional<std::string> git(const std::string& repository, const std::vector<std::string>& words);

struct Change {
  std::string commit;   // The newest one, in full.
  std::string author;   // Of it, an e-mail address.
  std::string summary;  // For people: the commits, and what they change.
};
// `range` is "<older>..<newer>". nullopt: git does not know it.
std::optional<Change> describe_change(const std::string& repository, const std::string& range);

}  // namespace approval
