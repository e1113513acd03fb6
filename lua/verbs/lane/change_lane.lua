local states = { [""] = true, running = true, paused = true, draining = true }

-- The lane's policy as the caller gave it, checked as far as the library works with it.
local function policy_of(text)
  if text == "" then return {} end
  local okay, policy = pcall(cjson.decode, text)
  return okay and ff.lane_policy_fits(policy) and policy or nil
end

ff.verb({
  name = "change_lane", kind = "free",
  doc = "Changes the policy or the state of a lane, in the record that counts. The caller takes the record to every "
    .. "partition (set_lanes); servers do so for those it does not reach. Root tag only.",
  args = {
    { "queue", "bytes", "namespace/lane" },
    { "policy_given", "bool", "1: policy replaces the one there is" },
    { "policy", "bytes", "canonical JSON, empty: all defaults" },
    { "home", "int", "the partition of the lane if its ordering is strict" },
    { "cap_home", "int", "the home of the quota lane:<lane>, which is the lane's concurrency cap" },
    { "state", "bytes", "running, paused, draining; empty: as it is" },
    { "by", "bytes", "who changes the state" },
    { "why", "bytes", "for people; a state the lane has already keeps its time, and without a why its by and why" },
  },
  ok = { { "version", "int", "of the record; grows with each change of any lane" },
         { "record", "bytes", "for set_lanes" } },
  refusals = { "bad_policy", "bad_state" },
}, function(at, a)
  local key = at.tag .. ":records"
  local stored = redis.call("HGET", key, a.queue)
  local record = stored and cjson.decode(stored) or { state = "running", policy = "", by = "", why = "", since = 0 }
  local text = a.policy_given and a.policy or record.policy
  local policy = policy_of(text)
  if not policy then return ff.refused("bad_policy") end
  if not states[a.state] then return ff.refused("bad_state") end
  local state = a.state ~= "" and a.state or record.state
  local moves = state ~= record.state
  -- Said again, without a reason: who said it first and why stand.
  local by, why = record.by, record.why
  if a.state ~= "" and (moves or a.why ~= "") then by, why = a.by, a.why end
  local same = not moves and by == record.by and why == record.why and text == record.policy
  if stored and same then return { "ok", record.version, stored } end

  record.state, record.by, record.why = state, by, why
  if moves then record.since = at.now end
  record.version = tonumber(redis.call("HGET", at.tag, "lanes_version") or 0) + 1
  record.policy, record.home, record.share = text, nil, policy.depth
  if policy.ordering == "strict" then
    record.home = a.home
  elseif policy.depth then
    record.share = math.ceil(policy.depth / tonumber(redis.call("HGET", at.tag, "partitions") or 1))
  end
  if policy.concurrency then record.cap_home = a.cap_home end -- It stays: a cap that is taken away is dropped there.
  local encoded = cjson.encode(record)
  ff.write(at, { "HSET", key, a.queue, encoded })
  ff.set_fields(at, at.tag, { "lanes_version", record.version })
  ff.commit(at)
  return { "ok", record.version, encoded }
end)
