-- What happens after a failure or a crash. Defaults are those of ff-core/policy.hpp; a test compares every one of them
-- and the delays.

local default_retry = {
  strategy = "exponential", delay_ms = 1000, factor = 2, max_delay_ms = 300000, jitter = 0.1, max_attempts = 3,
  never = { "invalid_input", "not_found", "permission", "cancelled" },
}
local strategies = { fixed = true, linear = true, exponential = true, explicit = true }
local default_crash = { max = 3, delay_ms = 1000, max_delay_ms = 60000 }

ff.default_retention_ms = 86400000

local shape = { "strategy", "delay_ms", "factor", "max_delay_ms", "delays_ms", "jitter" }

-- Whose word counts on the delays, and whose on the classes: they only make sense together.
local function given(retry, fields)
  for i = 1, #fields do
    if retry[fields[i]] ~= nil then return true end
  end
  return false
end

-- The policy of an execution: its own where given, else its lane's of now, else the defaults.
function ff.policy(at, ulid, core)
  local own = {}
  if core.j then
    local text = redis.call("GET", ff.key(at, ulid, "y"))
    if text then own = cjson.decode(text) end
  end
  local lane = ff.lane(at, core.q).policy
  local retry, crash, lane_retry, lane_crash = own.retry or {}, own.crash or {}, lane.retry or {}, lane.crash or {}
  local delays = given(retry, shape) and retry or lane_retry
  local classes = given(retry, { "only", "never" }) and retry or lane_retry
  local policy = { retry = { only = classes.only, never = classes.never }, crash = {} }
  if not classes.never then policy.retry.never = classes.only and {} or default_retry.never end
  for i = 1, #shape do policy.retry[shape[i]] = delays[shape[i]] or default_retry[shape[i]] end
  policy.retry.max_attempts = retry.max_attempts or lane_retry.max_attempts or default_retry.max_attempts
  for _, field in ipairs({ "max", "delay_ms", "max_delay_ms" }) do
    policy.crash[field] = crash[field] or lane_crash[field] or default_crash[field]
  end
  return policy
end

-- Whether a document is a policy that the functions here can work with. Ranges are the caller's business.
local function list_of(kind, list)
  if type(list) ~= "table" then return false end
  for i = 1, #list do
    if type(list[i]) ~= kind then return false end
  end
  return true
end

local function fits(document, fields)
  if document == nil then return true end
  if type(document) ~= "table" then return false end
  for field, want in pairs(fields) do
    local value = document[field]
    if value ~= nil then
      local good = type(value) == want
      if want == "ms" then good = type(value) == "number" and value >= 0 and value % 1 == 0 end
      if want == "strings" then good = list_of("string", value) end
      if want == "numbers" then good = list_of("number", value) and #value > 0 end
      if not good then return false end
    end
  end
  return true
end

function ff.policy_fits(policy)
  if type(policy) ~= "table" then return false end
  local strategy = type(policy.retry) == "table" and policy.retry.strategy or default_retry.strategy
  if not strategies[strategy] or (strategy == "explicit" and not policy.retry.delays_ms) then return false end
  return fits(policy, { attempt_timeout_ms = "ms", retention_ms = "ms", mode = "string" })
    and fits(policy.crash, { max = "ms", delay_ms = "ms", max_delay_ms = "ms" })
    and fits(policy.retry, { strategy = "string", delay_ms = "ms", factor = "number", max_delay_ms = "ms",
                             jitter = "number", max_attempts = "ms", delays_ms = "numbers", only = "strings",
                             never = "strings" })
end

local orderings = { strict = true, spread = true }

-- The same of a lane's policy, which has a few fields more.
function ff.lane_policy_fits(policy)
  if not ff.policy_fits(policy) then return false end
  if policy.ordering ~= nil and not orderings[policy.ordering] then return false end
  return fits(policy, { weight = "ms", depth = "ms", concurrency = "ms", aging_ms = "ms" })
end

local function contains(list, word)
  for i = 1, #list do
    if list[i] == word then return true end
  end
  return false
end

-- Whether the policy retries a failure of this class, given how many failures there were with this one.
function ff.retries(retry, class, failures)
  if failures >= retry.max_attempts or contains(retry.never, class) then return false end
  return not retry.only or contains(retry.only, class)
end

-- Milliseconds before the next attempt. `failures` counts this one; `random` lies in [0, 1).
--   fixed: delay; linear: delay * failures; exponential: delay * factor^(failures - 1); explicit: the list, its last
--   entry repeated. Then the cap, then jitter: times 1 + jitter * (2 * random - 1).
function ff.retry_delay(retry, failures, random)
  local delay = retry.delay_ms
  if retry.strategy == "linear" then
    delay = delay * failures
  elseif retry.strategy == "exponential" then
    delay = delay * retry.factor ^ (failures - 1)
  elseif retry.strategy == "explicit" then
    delay = retry.delays_ms[math.min(failures, #retry.delays_ms)]
  end
  delay = math.min(delay, retry.max_delay_ms)
  return math.max(0, math.floor(delay * (1 + retry.jitter * (2 * random - 1))))
end

-- Milliseconds before a crashed execution runs again: none after the first crash, then doubling up to the cap.
function ff.crash_delay(crash, crashes)
  if crashes <= 1 then return 0 end
  return math.min(crash.max_delay_ms, crash.delay_ms * 2 ^ (crashes - 2))
end

-- In [0, 1), different for each execution and call. math.random would repeat its sequence after every restart.
function ff.random(at, ulid)
  local mixed = at.now_us % 1000003
  for i = 17, 26 do mixed = (mixed * 31 + string.byte(ulid, i)) % 1000003 end
  return mixed / 1000003
end
