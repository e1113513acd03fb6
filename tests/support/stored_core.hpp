#pragma once
// Cores as they are stored: one packed map each. The commands that read and change one, for tests that look behind the
// verbs; neither knows which fields there are.

#include <string>
#include <vector>

namespace ff::test {

// Answers field, value, … of the core under `key`, in no order; nothing when there is none, or something else.
std::vector<std::string> read_core(const std::string& key);
// Sets fields of a core: `changes` is field, value, …; an empty value removes the field. What reads as a whole number
// is stored as one, but for the epoch, as the library does it.
std::vector<std::string> change_core(const std::string& key, const std::vector<std::string>& changes);

}  // namespace ff::test
