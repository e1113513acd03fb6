ff.verb({
  name = "set_lanes", kind = "free",
  doc = "Gives a partition its copies of lane records. An older version than the one there changes nothing. Another "
    .. "worth of priority (aging_ms) ranks anew all that waits, a few microseconds each; a lane that runs again "
    .. "wakes workers.",
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
      local changed = ff.decode_lane(item.record)
      ff.forget_lane(at, item.queue)
      ff.write_last(at, { "SET", at.tag .. ":lane:" .. item.queue, item.record })
      if changed.step ~= lane.step then ff.rank_anew(at, item.queue, lane, changed) end
      if lane.paused and not changed.paused then resumed[#resumed + 1] = item.queue end
    end
    if item.version == has + 1 then has = item.version end
  end
  has = math.max(has, a.all_to)
  if has ~= before then ff.write_last(at, { "HSET", at.tag, "lv", has }) end
  ff.commit(at)
  for i = 1, #resumed do pcall(ff.offer_all, at, resumed[i]) end -- Only wakes.
  ff.commit(at)
  return { "ok", has }
end)
