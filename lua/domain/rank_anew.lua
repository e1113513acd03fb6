-- A lane whose steps of priority are worth something else now: all that waits gets the rank it would have had.

local function new_rank(at, core, from, to, rank)
  local priority = tonumber(core[1] or 0) or 0
  local ready_at = ff.ready_at(from, priority, rank)
  return ff.rank(to, priority, ready_at > 0 and ready_at or nil, tonumber(core[2]) or at.now)
end

-- One line's or key's first: the lowest rank, and the priority of who has it.
local function note_first(list, name, rank, priority)
  if not list[name] then list.order[#list.order + 1] = name end
  if not list[name] or rank < list[name].rank then list[name] = { rank = rank, priority = priority } end
end

local function fields(at, ulid)
  return redis.call("HMGET", at.tag .. ":e:" .. ulid, "p", "c", "rq", "fk")
end

function ff.rank_anew(at, queue, from, to)
  local own = redis.call("ZRANGE", at.tag .. ":q:" .. queue, 0, -1, "WITHSCORES")
  for i = 1, #own, 2 do
    ff.add(at, ":q:" .. queue, own[i], new_rank(at, fields(at, own[i]), from, to, tonumber(own[i + 1])))
  end
  local routed = redis.call("ZRANGE", at.tag .. ":waiting:" .. queue, 0, -1, "WITHSCORES")
  local lines, keys = { order = {} }, { order = {} }
  for i = 1, #routed, 2 do
    local ulid = routed[i]
    local core = fields(at, ulid)
    local rank = new_rank(at, core, from, to, tonumber(routed[i + 1]))
    local index = ff.line_index({ q = queue, rq = core[3] or nil, fk = core[4] or nil })
    ff.add(at, index, ulid, rank)
    ff.add(at, ":waiting:" .. queue, ulid, rank)
    local name = string.sub(index, 5 + #queue)
    if core[4] then
      name = string.sub(name, 1, -1 - #core[4])
      note_first(keys, name .. core[4], rank, tonumber(core[1] or 0))
      keys[name .. core[4]].key, keys[name .. core[4]].class = core[4], string.sub(name, 1, -2)
    end
    note_first(lines, name, rank)
  end
  for i = 1, #lines.order do ff.add(at, ":open:" .. queue, lines.order[i], lines[lines.order[i]].rank) end
  for i = 1, #keys.order do -- Everybody begins anew.
    local first = keys[keys.order[i]]
    local line = queue .. "|" .. first.class
    ff.add(at, ":fair:" .. line, first.key, (ff.split_score(to, { p = first.priority }, 0)))
    ff.unlink(at, at.tag .. ":served:" .. line)
    ff.forget_service(from, line)
  end
end
