-- Streams: what the holder of an execution tells while it runs. A frame's place is <generation>-<number>, numbered from
-- 1 in each generation. Kept frames are the entries of the Valkey stream `f` under just these ids. The summary is one
-- document, a frame whose place is that of its last patch. The hash `s` holds what appends need to know:
--   g n: the place of the last frame; l: the lease that appended it; b: the last number before that lease;
--   z: bytes kept; x: the place of the last frame trimmed away; d: the summary; p: its "<place> <attempt> <ms>".
-- The closing marker is not stored: it follows from the core, in the place after the last frame. A replay, after which
-- the core tells of another generation, writes it down.

ff.stream = {
  frames_max = 10000, bytes_max = 8388608, frame_bytes_max = 65536, call_bytes_max = 1048576,
  document_bytes_max = 32768, page_bytes = 1048576,
}

local function place(generation, number)
  return string.format("%d-%d", generation, number)
end

-- Generation and number of a place; what is none is damage of `where`.
local function parse(text, where)
  local generation, number = string.match(text or "", "^(%d+)%-(%d+)$")
  if not generation then ff.corrupt(where) end
  return tonumber(generation), tonumber(number)
end

local function before(generation, number, other_generation, other_number)
  return generation < other_generation or (generation == other_generation and number < other_number)
end

local function counter(text, where)
  local number = tonumber(text or 0)
  if not number then ff.corrupt(where) end
  return number
end

-- The state of a stream as the execution's current generation sees it.
function ff.open_stream(at, ulid, core)
  local key = ff.key(at, ulid, "s")
  local found = redis.call("HMGET", key, "g", "n", "l", "b", "z", "x", "p")
  local stream = {
    key = key, frames = ff.key(at, ulid, "f"), generation = core.g or 0, last = 0, base = 0,
    bytes = counter(found[5], key), trimmed = found[6], summary = found[7], used = found[1] and true or false,
  }
  if found[1] and counter(found[1], key) == stream.generation then
    stream.last, stream.lease, stream.base = counter(found[2], key), found[3], counter(found[4], key)
  end
  return stream
end

-- The number of the last entry that is there: beyond stream.last only if an append was cut short between its writes.
local function top(stream)
  local beyond = redis.call("XRANGE", stream.frames, "(" .. place(stream.generation, stream.last), "+", "COUNT", 1)
  if not beyond[1] then return stream.last end
  local generation, number = parse(redis.call("XREVRANGE", stream.frames, "+", "-", "COUNT", 1)[1][1], stream.frames)
  if generation ~= stream.generation then ff.corrupt(stream.frames) end
  return number
end

-- Makes `lease` the one whose frames are counted, from 1. Returns the number of the last entry there is.
function ff.take_stream(stream, lease)
  local number = top(stream)
  if stream.lease ~= lease then stream.base, stream.last, stream.lease, stream.taken = number, number, lease, true end
  return number
end

-- type, content type and data of an entry, and "<attempt> <ms> <mode>".
local function fields_of(entry, stream)
  local fields = entry[2]
  if fields[1] ~= "m" or fields[3] ~= "t" or fields[5] ~= "c" or fields[7] ~= "d" or fields[9] then
    ff.corrupt(stream.frames)
  end
  return fields[4], fields[6], fields[8], fields[2]
end

local function entry_bytes(kind, content_type, data)
  return #kind + #content_type + #data
end

-- Which of the oldest frames go, so that `frames` and `bytes` more have room. Returns the place of the last of them
-- (nil: none) and how many bytes that frees. Reads what it trims, a quarter of a MiB at a time.
local function find_trim(stream, frames, bytes)
  local length = redis.call("XLEN", stream.frames)
  local too_many, too_large = length + frames - ff.stream.frames_max, stream.bytes + bytes - ff.stream.bytes_max
  local from, last, freed = "-", nil, 0
  local step = math.max(4, math.min(256, math.floor(262144 * length / (stream.bytes + 1))))
  while too_many > 0 or too_large > freed do
    local count = too_large > freed and step or math.min(step, too_many)
    local entries = redis.call("XRANGE", stream.frames, from, "+", "COUNT", count)
    if not entries[1] then break end
    for i = 1, #entries do
      if too_many <= 0 and too_large <= freed then break end
      freed, too_many, last = freed + entry_bytes(fields_of(entries[i], stream)), too_many - 1, entries[i][1]
    end
    from = "(" .. entries[#entries][1]
  end
  return last, freed
end

-- Plans to add a frame under its number. `told` is "<attempt> <ms> <mode>".
local function plan_entry(at, stream, number, told, frame)
  ff.write(at, { "XADD", stream.frames, place(stream.generation, number), "m", told, "t", frame.type, "c",
                 frame.content_type, "d", frame.data })
end

-- Plans the append of `frames` behind the last; `there` is the number of the last entry there is. The lease is noted
-- before its frames and their count after them: cut short between, the same call goes on where it was.
function ff.plan_frames(at, ulid, core, stream, frames, there, document)
  local added, bytes, state = 0, 0, {}
  if stream.taken then
    ff.satellite(at, ulid, core, { "HSET", stream.key, "g", stream.generation, "n", stream.last, "l", stream.lease,
                                   "b", stream.base })
  end
  local first = stream.last
  for i = 1, #frames do
    local frame = frames[i]
    local number = first + i
    if frame.mode == "summary" then
      state = { "d", document, "p", place(stream.generation, number) .. " " .. core.a .. " " .. at.now }
    else
      bytes = bytes + entry_bytes(frame.type, frame.content_type, frame.data)
      if number > there then added = added + 1 end
    end
  end
  local trimmed, freed = find_trim(stream, added, bytes)
  for i = 1, #frames do
    if frames[i].mode == "durable" and first + i > there then
      plan_entry(at, stream, first + i, core.a .. " " .. at.now .. " durable", frames[i])
    end
  end
  if trimmed then
    local generation, number = parse(trimmed, stream.frames)
    ff.write(at, { "XTRIM", stream.frames, "MINID", place(generation, number + 1) })
    state[#state + 1], state[#state + 2] = "x", trimmed
  end
  stream.last = first + #frames
  ff.write(at, { "HSET", stream.key, "n", stream.last, "z", math.max(0, stream.bytes + bytes - freed), unpack(state) })
  if core.i then ff.tell(at, ":f:" .. ulid, "frames") end
end

-- The summary after the patches among `frames`, or nil and a refusal. nil, nil: there are none.
function ff.patched_summary(stream, frames)
  local document, patched
  local bytes = 0
  for i = 1, #frames do
    if frames[i].mode == "summary" then
      bytes = bytes + #frames[i].data
      if bytes > ff.stream.document_bytes_max then return nil, "call_too_large" end
      local patch = ff.json_document(frames[i].data)
      if not patch then return nil, "bad_patch" end
      if not patched then
        document, patched = redis.call("HGET", stream.key, "d") or nil, true
      end
      document = ff.json_merge(document, patch)
    end
  end
  if not patched then return nil end
  local text = ff.json_text(document)
  if #text > ff.stream.document_bytes_max then return nil, "document_too_large" end
  return text
end

-- Writes down how a generation ended, before a replay begins the next.
function ff.close_stream(at, ulid, core)
  local stream = core.j and ff.open_stream(at, ulid, core)
  if not stream or not stream.used or top(stream) > stream.last then return end
  local marker = { type = core.s, content_type = "", data = core.x or "" }
  plan_entry(at, stream, stream.last + 1, (core.a or 0) .. " " .. (core.z or 0) .. " end", marker)
end

local function append_row(rows, generation, number, attempt, ms, mode, kind, content_type, data)
  local n = #rows
  rows[n + 1], rows[n + 2], rows[n + 3], rows[n + 4] = generation, number, attempt, ms
  rows[n + 5], rows[n + 6], rows[n + 7], rows[n + 8] = mode, kind, content_type, data
end

-- Appends the summary's row if it lies behind the page's place and not behind the given one. Returns its bytes.
local function append_summary(page, stream, generation, number)
  if not stream.summary then return 0 end
  local where, attempt, ms = string.match(stream.summary, "^(%S+) (%d+) (%d+)$")
  local of_generation, of_number = parse(where, stream.key)
  if not before(page.generation, page.number, of_generation, of_number)
    or before(generation, number, of_generation, of_number) then
    return 0
  end
  local document = redis.call("HGET", stream.key, "d")
  if not document then ff.corrupt(stream.key) end
  append_row(page.rows, of_generation, of_number, attempt, ms, "summary", "", "application/json", document)
  page.generation, page.number, page.count = of_generation, of_number, page.count + 1
  return #document
end

-- Moves a place that lies where nothing is: before what was trimmed, or after the end, as when a failover lost frames.
local function settle_place(page, stream, last)
  if before(stream.generation, last, page.generation, page.number) then
    page.lost, page.generation, page.number = true, stream.generation, stream.last
  elseif stream.trimmed then
    local generation, number = parse(stream.trimmed, stream.key)
    page.lost = before(page.generation, page.number, generation, number)
  end
end

-- Reads on from page.generation and page.number, which move along: up to `limit` rows of about a MiB. Sets page.lost
-- (there is a gap before the first row) and page.more.
function ff.read_stream(at, ulid, core, page, limit)
  local stream, ended = ff.open_stream(at, ulid, core), ff.terminal[core.s]
  settle_place(page, stream, stream.last + (ended and 1 or 0))
  local bytes, last = 0, place(stream.generation, stream.last)
  page.count, page.more = 0, true
  while page.more and page.count < limit and bytes < ff.stream.page_bytes do
    local step = math.max(16, math.min(256, math.floor(262144 * page.count / (bytes + 1)))) -- A quarter of a MiB.
    step = math.min(step, limit - page.count)
    local entries = redis.call("XRANGE", stream.frames, "(" .. place(page.generation, page.number), last, "COUNT", step)
    for i = 1, #entries do
      local generation, number = parse(entries[i][1], stream.frames)
      bytes = bytes + append_summary(page, stream, generation, number)
      local kind, content_type, data, told = fields_of(entries[i], stream)
      local attempt, ms, mode = string.match(told, "^(%d+) (%d+) (%l+)$")
      if not attempt then ff.corrupt(stream.frames) end
      append_row(page.rows, generation, number, attempt, ms, mode, kind, content_type, data)
      page.generation, page.number, page.count, bytes = generation, number, page.count + 1, bytes + #data
    end
    page.more = #entries == step
  end
  if page.more then return end
  append_summary(page, stream, stream.generation, stream.last)
  if not ended or not before(page.generation, page.number, stream.generation, stream.last + 1) then return end
  page.generation, page.number = stream.generation, stream.last + 1
  append_row(page.rows, page.generation, page.number, core.a or 0, core.z or 0, "end", core.s, "", core.x or "")
end
