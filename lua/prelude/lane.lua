-- Lanes as this node knows them: policy and state, and the lines in which executions wait. A lane that was never set
-- up and whose executions require nothing has no record and one line; it pays one look a second for both.

-- The lane's own line: plain executions, which require nothing.
function ff.queue_index(queue)
  return ":q:" .. queue
end

-- Idle workers of one capability set; its suffix is empty for those without capabilities.
function ff.idle_index(queue, suffix)
  return ":idle:" .. queue .. suffix
end

local check_every_ms, queues_remembered = 1000, 4096
local aging_default_ms, strict_step = 60000, 549755813888 -- 2^39: no time makes up for one step of priority.

-- The quota that is a lane's concurrency cap, in the lane's namespace. Nobody else may name it (ff.set_route,
-- core::validate_quota_name).
function ff.cap_quota(queue)
  return "lane:" .. string.match(queue, "/(.*)$")
end

-- A record as set_lanes brings it; empty: the lane was never set up.
function ff.decode_lane(queue, text)
  local lane = { text = text, step = aging_default_ms, policy = {}, state = "running", lines = {}, line_count = 0,
                 lines_read = 0, sets = {}, fits = {}, fit_count = 0, seen = {}, idle_since = {}, services = {},
                 counted_since = 0, started = 0, look_turn = 0, vain_since = 0, in_vain = 0, by = "",
                 why = "", since = 0 }
  if text == "" then return lane end
  local okay, record = pcall(cjson.decode, text)
  local policy = okay and record.policy and (record.policy == "" and {} or cjson.decode(record.policy))
  if not policy then ff.corrupt("a lane's record: " .. text) end
  lane.policy, lane.state, lane.version = policy, record.state, record.version
  lane.by, lane.why, lane.since = record.by or "", record.why or "", record.since or 0
  lane.paused, lane.draining = record.state == "paused", record.state == "draining"
  lane.depth = record.share
  lane.cap_home = record.cap_home
  if policy.concurrency then lane.cap = "#" .. ff.cap_quota(queue) end
  if policy.ordering == "strict" then lane.home = record.home end
  local aging = policy.aging_ms or (lane.home and 0 or aging_default_ms)
  lane.step = aging > 0 and aging or strict_step
  return lane
end

-- Raises if what all lines of a lane share is of a wrong type.
function ff.check_lines(at, queue)
  redis.call("ZCARD", at.tag .. ":open:" .. queue)
  redis.call("ZCARD", at.tag .. ":waiting:" .. queue)
end

local read_lines_ms = 30000

-- The lines beside the lane's own, by name, with what they require (ff.requirements). While there are as many as this
-- node knows they are read again only now and then, and when a line turns up that it does not know.
local function load_lines(at, queue, lane)
  local count = redis.call("HLEN", at.tag .. ":routes:" .. queue)
  if count == 0 and lane.line_count == 0 then return end
  ff.check_lines(at, queue)
  local age = at.clock_ms - lane.lines_read
  if count == lane.line_count and age >= 0 and age < read_lines_ms then return end
  lane.lines_read = at.clock_ms
  local flat, lines, all_limited = redis.call("HGETALL", at.tag .. ":routes:" .. queue), {}, true
  for i = 1, #flat, 2 do
    local required = ff.requirements(flat[i + 1])
    lines[flat[i]], all_limited = required, all_limited and required.limited
  end
  lane.lines, lane.line_count, lane.all_limited = lines, count, all_limited
end

-- For one who has met a line that is not known here.
function ff.lines_anew(at, own)
  own.lane.lines_read = 0
  load_lines(at, own.queue, own.lane)
  return own.lane.lines
end

-- The capability sets of workers seen here: text → ready to be asked.
local function load_sets(at, queue, lane)
  local texts = redis.call("ZRANGE", at.tag .. ":sets:" .. queue, 0, -1)
  if #texts == 0 and #lane.sets == 0 then return end
  lane.sets = {}
  for i = 1, #texts do lane.sets[i] = ff.capability_set(texts[i]) end
end

local function look_up(at, queue, known)
  local waiting = redis.call("ZCARD", at.tag .. ff.queue_index(queue)) -- Raises if it is no sorted set.
  local text = redis.call("GET", at.tag .. ":lane:" .. queue) or ""
  local lane = known
  if not lane or lane.text ~= text then
    lane = ff.decode_lane(queue, text)
    lane.own = { queue = queue, lane = lane, index = ff.queue_index(queue), gone = 0, -- As a claim sees it.
                 requires = lane.cap, limited = lane.cap }
  end
  lane.own.empty = known ~= nil and waiting == 0 -- Until something is placed in it.
  load_lines(at, queue, lane)
  load_sets(at, queue, lane)
  return lane
end

-- The lane of a queue (<namespace>/<lane>). Called before its keys are written: refuses those of a wrong type.
function ff.lane(at, queue)
  if at.queue == queue then return at.lane end -- Of a batch, most are of one lane.
  local m = at.memory
  local lane = m.queues[queue]
  if lane and at.clock_ms - lane.checked < check_every_ms and at.clock_ms >= lane.checked then
    at.queue, at.lane = queue, lane
    return lane
  end
  if not lane then
    if m.queue_count == queues_remembered then m.queues, m.lanes, m.duty, m.queue_count = {}, {}, {}, 0 end
    m.queue_count = m.queue_count + 1
  end
  local loaded = look_up(at, queue, lane)
  loaded.checked = at.clock_ms
  m.queues[queue] = loaded
  return loaded
end

-- The lane's policy for the end of an execution, which damage to what waits in the lane must not hold up.
function ff.policy_at_end(at, queue)
  local known = at.memory.queues[queue]
  local age = known and at.clock_ms - known.checked
  if age and age >= 0 and age < check_every_ms then return known.policy end
  local okay, lane = pcall(ff.lane, at, queue)
  return okay and lane.policy or {}
end

-- What is remembered of a lane will be old when this call's plan is performed: the next call reads it again.
function ff.forget_lane(at, queue)
  at.old_lanes = at.old_lanes or {}
  at.old_lanes[queue] = true
end

function ff.forget_lanes(at)
  if not at.old_lanes then return end
  for queue in pairs(at.old_lanes) do
    local lane = at.memory.queues[queue]
    if lane then lane.checked = 0 end
  end
  at.queue = nil
end

-- Notes that the partition has this lane, at most once in ten seconds for each queue.
function ff.note_lane(at, queue)
  local m = at.memory
  if m.lanes[queue] and at.clock_ms - m.lanes[queue] < 10000 and at.clock_ms >= m.lanes[queue] then return end
  local lanes = at.lanes or {}
  at.lanes = lanes
  if lanes[queue] then return end
  lanes[queue] = true
  lanes[#lanes + 1] = queue
end

function ff.write_lanes(at)
  local lanes = at.lanes
  if not lanes then return end
  redis.call("SADD", at.tag .. ":lanes", unpack(lanes)) -- At most one for each item of a call.
  for i = 1, #lanes do at.memory.lanes[lanes[i]] = at.clock_ms end
end

-- How many are ready in the lane, on all its lines.
function ff.waiting(at, queue, lane)
  local count = redis.call("ZCARD", at.tag .. ff.queue_index(queue))
  if lane.line_count > 0 then count = count + redis.call("ZCARD", at.tag .. ":waiting:" .. queue) end
  if lane.lines[ff.common_line] then count = count + redis.call("ZCARD", at.tag .. ff.common_index(queue)) end
  return count
end

-- Counts what was started, for the rate that `explain` tells. A hint, over at least ten seconds.
function ff.note_starts(at, lane, count)
  lane.started = lane.started + count
  local ms = at.now - lane.counted_since
  if ms < 10000 then return end
  lane.rate = ms < 60000 and lane.started * 1000 / ms or nil
  lane.started, lane.counted_since = 0, at.now
end

-- Executions per 1000 s, -1 when that is not known.
function ff.start_rate(at, lane)
  if lane.rate and at.now - lane.counted_since < 60000 then return math.floor(lane.rate * 1000) end
  return -1
end

local priority_max, rank_epoch_ms = 9000, 1735689600000 -- From 2025-01-01.

-- Where a priority begins, in ranks and in the scores of fair lines.
function ff.base_of(lane, priority)
  return (priority_max - priority) * lane.step
end

-- Rank of a ready execution: lower is earlier. Each step of priority is worth lane.step ms of waiting. Without a time
-- it stands in front of its priority; where waiting counts, that is where it would be had it waited since `created`.
function ff.rank(lane, priority, ms, created)
  local strict = lane.step == strict_step
  local within = 0
  if ms or not strict then
    within = (ms or created) - rank_epoch_ms
    if within < 1 then within = 1 elseif within >= strict_step then within = strict_step - 1 end
  end
  return ff.base_of(lane, priority) + within
end

-- When it became ready, as its rank tells; 0 for one in front of its priority.
function ff.ready_at(lane, priority, rank)
  local within = rank - ff.base_of(lane, priority)
  if within <= 0 then return 0 end
  return within + rank_epoch_ms
end
