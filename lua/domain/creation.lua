-- Making executions of what is submitted. Items of a call are mostly alike: of one lane, kind, policy and priority,
-- with nothing of their own but id and payload. The last one that was planned in full is the model of those that
-- follow: { item, core, queue, lane, lean, head }.

-- Executions of one batch mostly share their policy: the last one decoded is kept.
local last_text, last_policy

function ff.decode_policy(text)
  if text ~= last_text then
    local okay, policy = pcall(cjson.decode, text)
    if not okay or not ff.policy_fits(policy) then return nil end
    last_text, last_policy = text, policy
  end
  return last_policy
end

local function new_core(at, item, queue, policy, lean)
  local core = { s = nil, q = queue, k = item.kind, c = at.now, pl = nil } -- Room for the state and the payload.
  if lean then core.m = "lean" end
  if item.priority then core.p = item.priority end
  if item.content_type then core.ct = item.content_type end
  if policy then
    local timeout = policy.attempt_timeout_ms
    if timeout and timeout > 0 then core.t = timeout end
    if policy.retention_ms then core.r = policy.retention_ms end
  end
  if item.deadline_ms then core.d = at.now + item.deadline_ms end
  if item.deadline_at then core.d = item.deadline_at end
  return core
end

-- Plans an execution in full, and returns its core.
function ff.create(at, item, queue, policy, lean)
  local ulid = item.id
  ff.note_lane(at, queue)
  local core = new_core(at, item, queue, policy, lean)
  if item.requirements or item.fairness_key then ff.set_route(at, item, core) end
  if item.payload ~= "" then ff.set_payload(at, ulid, core, item.payload) end
  if policy and (policy.retry or policy.crash) then
    ff.satellite(at, ulid, core, { "SET", ff.key(at, ulid, "y"), item.policy })
  end
  if item.tags then ff.satellite(at, ulid, core, { "SET", ff.key(at, ulid, "t"), item.tags }) end
  if core.d then
    ff.add(at, ":deadlines", ulid, core.d)
    ff.arm(at, core.d)
  end
  local start = item.start_at or at.now + (item.delay_ms or 0)
  if start > at.now then
    ff.move(at, ulid, core, "delayed", start)
  else
    ff.move(at, ulid, core, "ready", at.now)
  end
  return core
end

-- Whether items of the call may differ in nothing but what ff.is_alike compares.
function ff.may_be_alike(items)
  if #items == 1 then return false end
  for name in pairs(items.rare) do
    if name ~= "policy" and name ~= "priority" then return false end
  end
  return true
end

-- The execution of `item` has been planned; it is ready. One with satellites or a payload apart is no model.
function ff.note_model(model, item, core, queue, lane, lean)
  local fits = core.pl and not core.j
  model.item, model.core, model.head = fits and item or nil, core, nil
  model.queue, model.lane, model.lean = queue, lane, lean
end

function ff.is_alike(item, model)
  local other = model.item
  return other and item.lane == other.lane and item.kind == other.kind and item.policy == other.policy
    and item.priority == other.priority and item.payload ~= "" and #item.payload <= ff.payload_in_core_max
end

-- What is stored of a core, up to its payload. The first byte tells how many fields there are, less than 15 here.
local function head_of(core)
  local payload = core.pl
  core.pl = nil
  local text = cmsgpack.pack(core)
  core.pl = payload
  return string.char(string.byte(text) + 1) .. string.sub(text, 2)
end

local payload_heads = {} -- By the size of the payload.

local function head_of_payload(payload)
  local head = payload_heads[#payload]
  if not head then
    head = cmsgpack.pack("pl") .. string.sub(cmsgpack.pack(payload), 1, -1 - #payload)
    payload_heads[#payload] = head
  end
  return head
end

-- Plans what was planned for the model, without making a core.
function ff.create_alike(at, ulid, payload, model)
  model.head = model.head or head_of(model.core)
  ff.move_alike(at, ulid, model.core, model.head .. head_of_payload(payload) .. payload)
end
