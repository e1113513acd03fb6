-- The partition that counts what runs under a lane's cap defines the cap's quota, with the record: so the quota is that
-- of the newest record, whoever brought it.
local function set_cap(at, queue, lane)
  if lane.cap_home ~= ff.partition(at) then return end
  local l = ff.limit(at, ff.limit_id("quota", string.match(queue, "^[^/]*"), ff.cap_quota(queue)))
  local slots = lane.policy.concurrency
  if slots and (not l.f.d or ff.limit_number(at, l, "h.slots") ~= slots) then
    ff.set_slots(at, l, slots)
  elseif not slots and l.f.d then
    ff.drop_limit(at, l)
  end
end

ff.verb({
  name = "set_lanes", kind = "free",
  doc = "Gives a partition its copies of lane records. An older version than the one there changes nothing. Another "
    .. "worth of priority (aging_ms) ranks anew all that waits, a few microseconds each; a lane that runs again "
    .. "or has no cap any more wakes workers. The home of a lane's cap is to be told first: it defines the quota "
    .. "lane:<lane>, which claims everywhere then need allowances of.",
  args = { { "all_to", "int", "the items are all records up to this version; 0: they are not" } },
  items = {
    { "queue", "bytes", "namespace/lane" }, { "version", "int", "of the record" },
    { "record", "bytes", "as change_lane and lanes answer it" },
  },
  ok = { { "version", "int", "up to which the partition has all records" } },
  refusals = {},
}, function(at, a)
  local before = tonumber(redis.call("HGET", at.tag, "lv") or 0)
  local has, resumed = before, {}
  for i = 1, #a.items do
    local item = a.items[i]
    local lane = ff.lane(at, item.queue)
    if item.version > (lane.version or 0) then
      local changed = ff.decode_lane(item.queue, item.record)
      ff.forget_lane(at, item.queue)
      ff.write_last(at, { "SET", at.tag .. ":lane:" .. item.queue, item.record })
      if changed.step ~= lane.step then ff.rank_anew(at, item.queue, lane, changed) end
      set_cap(at, item.queue, changed)
      if lane.paused and not changed.paused or lane.cap and not changed.cap then resumed[#resumed + 1] = item.queue end
    end
    if item.version == has + 1 then has = item.version end
  end
  has = math.max(has, a.all_to)
  ff.save_limits(at)
  if has ~= before then ff.write_last(at, { "HSET", at.tag, "lv", has }) end
  ff.commit(at)
  for i = 1, #resumed do pcall(ff.offer_all, at, resumed[i]) end -- Only wakes.
  ff.commit(at)
  return { "ok", has }
end)
