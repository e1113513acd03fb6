local new_execution

ff.verb({
  name = "submit", kind = "write",
  doc = "Creates executions; each item is answered by itself. A resend of the same id answers created again; a known "
    .. "idempotency key answers duplicate with the first id.",
  args = {
    { "namespace", "bytes", "tenant of all items" },
    { "again", "bool", "1: the reply of a call with these items was lost" },
  },
  items = {
    { "id", "ulid", "made by the caller" },
    { "lane", "bytes", "lane within the namespace" },
    { "kind", "bytes", "selects the handler" },
    { "payload", "bytes", "opaque" },
    { "priority", "int", "0 to 9000, higher first", rare = true },
    { "start_at", "int", "ms of Valkey's clock, 0: at once; the past means now", rare = true },
    { "delay_ms", "int", "added to now when start_at is 0", rare = true },
    { "deadline_at", "int", "ms of Valkey's clock, 0: none", rare = true },
    { "deadline_ms", "int", "added to now when deadline_at is 0; 0: none", rare = true },
    { "idempotency_key", "bytes", "empty: none", rare = true },
    { "idempotency_ttl_ms", "int", "how long the key is known", rare = true },
    { "fingerprint", "bytes", "of what the key stands for; another one under the same key is refused", rare = true },
    { "requirements", "bytes", "of its route: terms in order, joined by spaces; empty: none", rare = true },
    { "fairness_key", "bytes", "empty: none", rare = true },
    { "fairness_weight", "int", "1 to 1000; 0: without a key", rare = true },
    { "policy", "bytes", "canonical JSON, empty: the lane's", rare = true },
    { "tags", "bytes", "JSON object, empty: none", rare = true },
    { "content_type", "bytes", "empty: application/octet-stream", rare = true },
  },
  rows = {
    { "outcome", "bytes", "created, duplicate, or a refusal: idempotency_mismatch, id_taken, bad_policy, "
      .. "unknown_outcome (it may have come and gone since the first call), elsewhere, lane_draining, lane_full" },
    { "id", "ulid", "the execution that now stands for the item; elsewhere: the partition of its lane" },
  },
  refusals = {},
}, function(at, a)
  local reply, seen, items = { "ok" }, {}, a.items
  local resent = ff.any_stored(at, items) -- Mostly none: then no item is looked up by itself.
  local model = ff.may_be_alike(items) and {} or nil
  for i = 1, #items do
    reply[2 * i], reply[2 * i + 1] = new_execution(at, a, items[i], seen, resent, model)
  end
  ff.commit(at)
  return reply
end)

-- The idempotency record of a key, if it is still known: ulid and fingerprint.
local function known(at, key, seen)
  local text = seen[key] or redis.call("GET", key)
  if not text then return nil end
  local ulid, expires, fingerprint = string.match(text, "^(%w+) (%d+) (.*)$")
  if not ulid then ff.corrupt(key) end
  if tonumber(expires) <= at.now then return nil end
  return ulid, fingerprint
end

-- The stored time decides; the key's own expiry, a little later, only clears it away.
local function remember_key(at, item, key, seen)
  local ttl = math.max(0, item.idempotency_ttl_ms or 0)
  seen[key] = item.id .. " " .. string.format("%d", at.now + ttl) .. " " .. (item.fingerprint or "")
  ff.write_last(at, { "SET", key, seen[key], "PX", ttl + 60000 })
end

new_execution = function(at, a, item, seen, resent, model)
  local namespace, ulid, idempotency = a.namespace, item.id, nil
  if item.idempotency_key then
    idempotency = at.tag .. ":i:" .. namespace .. "/" .. item.idempotency_key
    local first, fingerprint = known(at, idempotency, seen)
    if first and fingerprint ~= (item.fingerprint or "") then return "idempotency_mismatch", first end
    if first then return first == ulid and "created" or "duplicate", first end
  end
  local there = seen[ulid] or (resent and ff.queue_of(at, ulid))
  if there then
    if string.sub(there, 1, #namespace + 1) ~= namespace .. "/" then return "id_taken", ulid end
    if idempotency then remember_key(at, item, idempotency, seen) end
    return "created", ulid
  end
  if not string.find(ulid, "^%w+$") then ff.bad_call("id is not a ULID") end

  local alike = model and ff.is_alike(item, model)
  local queue, lane, lean, policy
  if alike then
    queue, lane, lean = model.queue, model.lane, model.lean
  else
    policy = item.policy and ff.decode_policy(item.policy)
    if item.policy and not policy then return "bad_policy", ulid end
    queue = namespace .. "/" .. item.lane
    lane = ff.lane(at, queue)
    lean = (policy and policy.mode or lane.policy.mode) == "lean"
  end
  if lane.text ~= "" or a.again then
    local refused, where = ff.refuses(at, a, item, lane, lean)
    if refused then return refused, where end
  end
  seen[ulid] = queue
  if alike then
    ff.create_alike(at, ulid, item.payload, model)
  else
    local core = ff.create(at, item, queue, policy, lean)
    if idempotency then remember_key(at, item, idempotency, seen) end
    if model then ff.note_model(model, item, core, queue, lane, lean) end
  end
  return "created", ulid
end
