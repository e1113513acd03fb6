-- Reading an execution once and whole, and what belongs to it: satellites, history, deletion.

local history_max = 64
ff.results_kept = 8 -- Of replayed generations.

-- The core as a table of strings, or nil when there is none.
function ff.load(at, ulid)
  local flat = redis.call("HGETALL", at.tag .. ":e:" .. ulid)
  local count = #flat
  if count == 0 then return nil end
  -- Room for what a claimed core has: a table that grows field by field is copied four times.
  local core = { s = nil, q = nil, k = nil, c = nil, a = nil, e = nil, l = nil, w = nil, b = nil }
  for i = 1, count, 2 do core[flat[i]] = flat[i + 1] end
  if not core.q or not core.k or not core.c or not core.s or not ff.legal[core.s] then
    ff.corrupt("core " .. at.tag .. ":e:" .. ulid)
  end
  return core
end

-- Whether there is a core for any of the items: one question for all of a batch.
function ff.any_stored(at, items)
  local keys, base = {}, at.tag .. ":e:"
  for i = 1, #items do keys[i] = base .. items[i].id end
  return #keys > 0 and redis.call("EXISTS", unpack(keys)) > 0
end

-- The core, or nil when it does not exist in this namespace: a foreign id answers the same as none.
function ff.load_in(at, namespace, ulid)
  local core = ff.load(at, ulid)
  if core and string.sub(core.q, 1, #namespace + 1) == namespace .. "/" then return core end
  return nil
end

function ff.key(at, ulid, satellite)
  return at.tag .. ":e:" .. ulid .. ":" .. satellite
end

-- Writes a satellite other than payload and result, and notes in the core that there are such: without the note a
-- deletion need not look for them. Strings replace whatever is there.
function ff.satellite(at, core, changes, command)
  if not core.j then
    core.j = "1"
    changes[#changes + 1] = "j"
    changes[#changes + 1] = 1
  end
  ff.write(at, command)
end

-- At most `bytes` of a text, not ending within a UTF-8 character: what is JSON must stay valid.
function ff.shorten(text, bytes)
  if #text <= bytes then return text end
  local last = bytes
  while last > 0 do
    local next_byte = string.byte(text, last + 1)
    if next_byte < 128 or next_byte >= 192 then break end
    last = last - 1
  end
  return string.sub(text, 1, last)
end

-- Appends to the history what the core is about to forget. Lean executions keep none.
function ff.remember(at, ulid, core, changes, entry)
  if core.m == "lean" then return end
  entry.at = at.now
  local key = ff.key(at, ulid, "h")
  redis.call("LLEN", key) -- Raises now, not half-way, if the key is no list.
  ff.satellite(at, core, changes, { "RPUSH", key, cjson.encode(entry) })
  ff.write(at, { "LTRIM", key, -history_max, -1 })
end

-- An ended attempt as history remembers it.
function ff.attempt_entry(core, event)
  return {
    event = event, generation = tonumber(core.g or 0), attempt = tonumber(core.a or 0), epoch = core.e,
    lease = core.l, worker = core.w, began = tonumber(core.b or 0),
  }
end

-- Plans the deletion of everything that belongs to an execution; its index entries are the caller's.
function ff.delete(at, ulid, core)
  local base = at.tag .. ":e:" .. ulid
  ff.unlink(at, base)
  ff.unlink(at, base .. ":p")
  if core.m ~= "lean" then ff.unlink(at, base .. ":r") end
  if not core.j then return end
  for _, satellite in ipairs({ ":x", ":y", ":t", ":o", ":h", ":n", ":f", ":s" }) do ff.unlink(at, base .. satellite) end
  if core.h then ff.delete_steps(at, ulid, core) end
  local generations = tonumber(core.g or 0)
  for generation = math.max(0, generations - ff.results_kept), generations - 1 do
    ff.unlink(at, base .. ":r" .. generation)
  end
end
