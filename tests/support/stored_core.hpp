#pragma once
// Cores as they are stored: one packed map each. The commands that read and change one, for tests that look behind the
// verbs. To tests the parts of the last lease (`l`) are fields: l the id, absent when it counts no longer, e the epoch,
// b when it began, w the worker.

#include <string>
#include <string_view>
#include <vector>

namespace ff::test {

// Lua: takes a core's lease apart, and packs it again.
inline constexpr std::string_view kLeaseOfCore = R"(
local function open_lease(core)
  local id, epoch, began, worker = string.match(tostring(core.l or ''), '^(%S+) (%S+) (%S+) (.*)$')
  if not id then return end
  core.l, core.e, core.b = id ~= '-' and id or nil, epoch, tonumber(began) or began
  core.w = worker ~= '' and worker or nil
end
local function pack_lease(core)
  if not (core.l or core.e or core.b or core.w) then return end
  local began = type(core.b) == 'number' and string.format('%d', core.b) or core.b or '0'
  core.l = (core.l or '-') .. ' ' .. (core.e or '0') .. ' ' .. began .. ' ' .. (core.w or '')
  core.e, core.b, core.w = nil, nil, nil
end
)";

// Answers field, value, … of the core under `key`, in no order; nothing when there is none, or something else.
std::vector<std::string> read_core(const std::string& key);
// Sets fields of a core: `changes` is field, value, …; an empty value removes the field. What reads as a whole number
// is stored as one, but for the epoch, as the library does it.
std::vector<std::string> change_core(const std::string& key, const std::vector<std::string>& changes);

}  // namespace ff::test
