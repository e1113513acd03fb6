local states = {
  delayed = true, ready = true, active = true, suspended = true, blocked = true, completed = true, failed = true,
  cancelled = true, expired = true, skipped = true,
}
local looked_at_most, page_least = 4000, 100

-- Where the page begins: behind the cursor "<score> <ulid>", wherever its execution is now.
local function first_rank(at, key, mark, cursor)
  if cursor == "" then return 0 end
  local score, ulid = string.match(cursor, "^(%d+) (%w+)$")
  if not score then return nil end
  local entry = ulid
  if mark == "*" then
    local readable, core = pcall(ff.load, at, ulid)
    entry = readable and core and ff.line_entry(ulid, core) or ulid
  end
  local here = redis.call("ZSCORE", key, entry)
  if here and string.format("%d", here) == score then return redis.call("ZRANK", key, entry) + 1 end
  return redis.call("ZCOUNT", key, "-inf", "(" .. score)
end

-- Ready executions stand in the lane's own line, in its common line, or in the index of all others. The cursors of the
-- last two begin with a mark.
local function ready_index(queue, mark)
  return mark == "" and ff.queue_index(queue) or mark == "*" and ff.common_index(queue) or ":waiting:" .. queue
end

local function index_of(a, queue)
  if a.state ~= "ready" then return ":" .. a.state, a.cursor, "" end
  local mark = string.match(a.cursor, "^[*+]") or ""
  return ready_index(queue, mark), string.sub(a.cursor, #mark + 1), mark
end

-- The cursor of the next of these with something in it; empty: there is none.
local function begin_next(at, queue, mark)
  for _, following in ipairs(mark == "" and { "*", "+" } or mark == "*" and { "+" } or {}) do
    local count = redis.call("ZCARD", at.tag .. ready_index(queue, following))
    if count > 0 then return following .. "0 00000000000000000000000000" end
  end
  return ""
end

local function append(reply, ulid, core, timer_at)
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = ulid, core.q, core.k, core.p or 0
  reply[n + 5], reply[n + 6], reply[n + 7] = core.c, timer_at, core.a or 0
end

ff.verb({
  name = "list", kind = "read",
  doc = "Executions of one state in one partition, in the order of their index: ready by rank, others by their time. "
    .. "Ready ones are listed for one lane; for others a lane is a filter. One call looks at a bounded number of "
    .. "entries. What moves between two calls may be listed twice, or not.",
  args = {
    { "namespace", "bytes", "tenant" }, { "state", "bytes", "" }, { "lane", "bytes", "empty: all; needed for ready" },
    { "cursor", "bytes", "empty: from the start" }, { "limit", "int", "rows at the most, 1 to 1000" },
  },
  ok = { { "cursor", "bytes", "for the next page, empty: that was all" } },
  rows = {
    { "id", "ulid", "" }, { "queue", "bytes", "" }, { "kind", "bytes", "" }, { "priority", "int", "" },
    { "created_at", "int", "ms" }, { "timer_at", "int", "as in describe" }, { "attempt", "int", "" },
  },
  refusals = { "bad_state", "lane_needed", "bad_cursor" },
}, function(at, a)
  if not states[a.state] then return ff.refused("bad_state") end
  if a.state == "ready" and a.lane == "" then return ff.refused("lane_needed") end
  local ready, queue = a.state == "ready", a.namespace .. "/" .. a.lane
  local index, behind, mark = index_of(a, queue)
  local key = at.tag .. index
  local first = first_rank(at, key, mark, behind)
  if not first then return ff.refused("bad_cursor") end

  local reply, looked, cursor, limit, more = { "ok", "" }, 0, "", math.max(1, a.limit), true
  local rows = 0
  while more and looked < looked_at_most do
    local step = math.min(math.max(limit - rows + 1, page_least), looked_at_most - looked)
    local page = redis.call("ZRANGE", key, first + looked, first + looked + step - 1, "WITHSCORES")
    for i = 1, #page, 2 do
      if rows == limit then
        reply[2] = cursor
        return reply
      end
      local ulid, score = string.sub(page[i], 1, 26), tonumber(page[i + 1])
      cursor = mark .. string.format("%d", score) .. " " .. ulid
      local readable, core = pcall(ff.load_in, at, a.namespace, ulid) -- What cannot be read may be another tenant's.
      if readable and core and core.s == a.state and (a.lane == "" or core.q == queue) then
        local timer_at = score < ff.never and score or 0
        if ready then timer_at = ff.ready_at(ff.lane(at, queue), core.p or 0, score) end
        append(reply, ulid, core, timer_at)
        rows = rows + 1
      end
    end
    looked, more = looked + step, #page == 2 * step
  end
  if more then
    reply[2] = cursor
  elseif ready then
    reply[2] = begin_next(at, queue, mark)
  end
  return reply
end)
