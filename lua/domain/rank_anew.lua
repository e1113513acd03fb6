-- A lane whose steps of priority are worth something else now: all that waits gets the place it would have had.

-- Plans the new score of an entry of `index`, nil: of the line that the execution waits in. Returns the index and the
-- rank.
local function plan(at, queue, from, to, index, entry, rank)
  local ulid = string.sub(entry, 1, 26)
  local readable, core = pcall(ff.load, at, ulid)
  if not readable or not core then core = { q = queue, c = at.now } end -- A claim finds out.
  index = index or ff.sorted_index(core) or ff.line_index(core)
  local priority = core.p or 0
  local ready_at = ff.ready_at(from, priority, rank)
  local again = ff.rank(to, priority, ready_at > 0 and ready_at or nil, core.c)
  local score = again
  if core.fk then
    local tag = ff.tag_of(from, priority, tonumber(redis.call("ZSCORE", at.tag .. index, ulid) or 0))
    score = ff.base_of(to, priority) + tag
  end
  redis.call("ZCARD", at.tag .. index)
  ff.add(at, index, entry, score)
  return index, again
end

function ff.rank_anew(at, queue, from, to)
  local lowest = {}
  local function plan_all(entries, index)
    for i = 1, #entries, 2 do
      local line, rank = plan(at, queue, from, to, index, entries[i], tonumber(entries[i + 1]))
      if line ~= ff.queue_index(queue) then lowest[line] = math.min(lowest[line] or rank, rank) end
      if not index then ff.add(at, ":waiting:" .. queue, entries[i], rank) end
    end
  end
  for _, index in ipairs({ ff.queue_index(queue), ff.common_index(queue) }) do
    plan_all(redis.call("ZRANGE", at.tag .. index, 0, -1, "WITHSCORES"), index)
  end
  plan_all(redis.call("ZRANGE", at.tag .. ":waiting:" .. queue, 0, -1, "WITHSCORES"), nil)
  for line, rank in pairs(lowest) do ff.add(at, ":open:" .. queue, string.sub(line, 5 + #queue), rank) end
end
