-- A lane whose steps of priority are worth something else now: all that waits gets the place it would have had.

local function plan(at, queue, from, to, ulid, rank)
  local readable, core = pcall(ff.load, at, ulid)
  if not readable or not core then core = { q = queue, c = at.now } end -- A claim finds out.
  local priority, index = core.p or 0, ff.line_index(core)
  local sorted, entry = ff.sorted_index(core), ff.line_entry(ulid, core)
  if sorted and redis.call("ZSCORE", at.tag .. sorted, ulid) then index, entry = sorted, ulid end
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
  local own = redis.call("ZRANGE", at.tag .. ff.queue_index(queue), 0, -1, "WITHSCORES")
  for i = 1, #own, 2 do plan(at, queue, from, to, own[i], tonumber(own[i + 1])) end
  local routed = redis.call("ZRANGE", at.tag .. ":waiting:" .. queue, 0, -1, "WITHSCORES")
  local lowest = {}
  for i = 1, #routed, 2 do
    local index, rank = plan(at, queue, from, to, routed[i], tonumber(routed[i + 1]))
    ff.add(at, ":waiting:" .. queue, routed[i], rank)
    lowest[index] = math.min(lowest[index] or rank, rank)
  end
  for index, rank in pairs(lowest) do ff.add(at, ":open:" .. queue, string.sub(index, 5 + #queue), rank) end
end
