-- Reading an execution once and whole, and what belongs to it: satellites, history, deletion.

local history_max = 64
ff.results_kept = 8 -- Of replayed generations.

-- The core, or nil when there is none. It is one packed string: a hash of so few fields costs three times as much to
-- read and to write, and a batch reads and writes all of its cores by one command each. Numbers in it are numbers.
-- `text`: what ff.read_cores has read.
function ff.load(at, ulid, text)
  if not text then
    text = redis.call("GET", at.tag .. ":e:" .. ulid)
    if not text then return nil end
  end
  local okay, core = pcall(cmsgpack.unpack, text)
  if not okay or type(core) ~= "table" or not core.q or not core.k or not core.c or not ff.legal[core.s] then
    ff.corrupt("core " .. at.tag .. ":e:" .. ulid)
  end
  return core
end

-- The cores of all items as stored. A key of another type reads as absent here: ff.load asks again for what is absent.
function ff.read_cores(at, items)
  local keys, base = {}, at.tag .. ":e:"
  for i = 1, #items do keys[i] = base .. items[i].id end
  return #keys > 0 and redis.call("MGET", unpack(keys)) or keys
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

-- The queue of a stored execution, nil when there is none.
function ff.queue_of(at, ulid)
  local core = ff.load(at, ulid)
  return core and core.q
end

function ff.key(at, ulid, satellite)
  return at.tag .. ":e:" .. ulid .. ":" .. satellite
end

ff.payload_in_core_max = 256

-- A small payload travels in the core: a key of its own costs more, in time and in memory, than to write it thrice.
function ff.set_payload(at, ulid, core, payload)
  if #payload <= ff.payload_in_core_max then
    core.pl = payload
  else
    core.pk = 1
    ff.store(at, ff.key(at, ulid, "p"), payload)
  end
end

function ff.payload_of(at, ulid, core)
  return core.pl or core.pk and redis.call("GET", ff.key(at, ulid, "p")) or ""
end

-- Writes a satellite other than payload and result, and notes in the core that there are such: without the note a
-- deletion need not look for them. Strings replace whatever is there.
function ff.satellite(at, ulid, core, command)
  if not core.j then
    core.j = 1
    ff.keep(at, ulid, core)
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
function ff.remember(at, ulid, core, entry)
  if core.m == "lean" then return end
  entry.at = at.now
  local key = ff.key(at, ulid, "h")
  redis.call("LLEN", key) -- Raises now, not half-way, if the key is no list.
  ff.satellite(at, ulid, core, { "RPUSH", key, cjson.encode(entry) })
  ff.write(at, { "LTRIM", key, -history_max, -1 })
end

-- An ended attempt as history remembers it.
function ff.attempt_entry(at, ulid, core, event)
  local id, epoch, began, worker = ff.last_lease(at, ulid, core)
  return {
    event = event, generation = core.g or 0, attempt = core.a or 0, epoch = epoch, lease = id ~= "-" and id or nil,
    worker = worker, began = began or 0,
  }
end

-- Plans the deletion of everything that belongs to an execution; its index entries are the caller's.
function ff.delete(at, ulid, core)
  local base = at.tag .. ":e:" .. ulid
  ff.unlink(at, base)
  if core.pk then ff.unlink(at, base .. ":p") end
  if core.m ~= "lean" then ff.unlink(at, base .. ":r") end
  if not core.j then return end
  for _, satellite in ipairs({ ":x", ":y", ":t", ":o", ":h", ":n", ":f", ":s" }) do ff.unlink(at, base .. satellite) end
  if core.h then ff.delete_steps(at, ulid, core) end
  local generations = core.g or 0
  for generation = math.max(0, generations - ff.results_kept), generations - 1 do
    ff.unlink(at, base .. ":r" .. generation)
  end
end
