local function entry_is_there(key, id)
  return #redis.call("XRANGE", key, id, id) > 0
end

-- The id of the last entry ever, and whether entries have been trimmed.
local function ends(key)
  if redis.call("EXISTS", key) == 0 then return "0-0", false end
  local info, found = redis.call("XINFO", "STREAM", key), {}
  for i = 1, #info, 2 do found[info[i]] = info[i + 1] end
  return found["last-generated-id"], found["entries-added"] > found.length
end

ff.verb({
  name = "read_events", kind = "read",
  doc = "Events of the partition behind a cursor, in order: one row for each execution that came into a state. The "
    .. "next event within listen_ms is told on the events channel: once, until somebody reads again.",
  args = {
    { "cursor", "bytes", "of an earlier answer; empty: from the oldest kept; $: from now" },
    { "limit", "int", "entries at the most, 1 to 512; an entry has the events of one call" },
    { "listen_ms", "int", "0: do not tell" },
  },
  ok = {
    { "cursor", "bytes", "to read on from" }, { "more", "bool", "1: there is more now" },
    { "lost", "bool", "1: events behind the cursor were trimmed before they could be read" },
  },
  rows = {
    { "entry", "bytes", "cursor of the call it came from; its first number is the time in ms" }, { "id", "ulid", "" },
    { "state", "bytes", "" }, { "queue", "bytes", "namespace/lane" },
  },
  refusals = { "bad_cursor" },
}, function(at, a)
  local key, m = at.tag .. ":ev", at.memory
  if a.listen_ms > 0 then
    m.listened_until, m.listeners_told = math.max(m.listened_until or 0, at.now + a.listen_ms), false
  end
  if a.cursor == "$" then return { "ok", (ends(key)), 0, 0 } end
  local cursor = a.cursor == "" and "0-0" or a.cursor
  if not string.find(cursor, "^%d+%-%d+$") then return ff.refused("bad_cursor") end
  local lost = false
  if a.cursor == "0-0" then
    local _, trimmed = ends(key)
    lost = trimmed
  elseif a.cursor ~= "" then
    lost = not entry_is_there(key, cursor)
  end

  local limit = math.max(1, math.min(a.limit, 512))
  local entries = redis.call("XRANGE", key, "(" .. cursor, "+", "COUNT", limit)
  local reply = { "ok", cursor, #entries == limit and 1 or 0, lost and 1 or 0 }
  for i = 1, #entries do
    local id, fields = entries[i][1], entries[i][2]
    for field = 1, #fields, 2 do
      local state, queue = string.match(fields[field + 1], "^(%l+) (.+)$")
      if not state then ff.corrupt(key) end
      local n = #reply
      reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, fields[field], state, queue
    end
    reply[2] = id
  end
  if lost and #entries == 0 then reply[2] = (ends(key)) end -- The place asked for does not exist any more.
  return reply
end)
