-- What a lane makes of a submitted item.

-- Why the lane takes no new execution now; nil: it does.
function ff.refuses(at, a, item, lane, lean)
  if a.again and not item.idempotency_key then
    -- Had the first call made it, it might be over and deleted by now.
    if lean or (lane.policy.retention_ms or 60000) < 60000 then return "unknown_outcome", item.id end
  end
  if lane.home and lane.home ~= ff.partition(at) then
    return "elsewhere", string.format("%d", lane.home) -- Before what the lane refuses: its home may know the key.
  end
  if lane.draining then return "lane_draining", item.id end
  if not lane.depth then return nil end
  local queue, depths = a.namespace .. "/" .. item.lane, at.depths or {}
  at.depths = depths
  depths[queue] = (depths[queue] or ff.waiting(at, queue, lane)) + 1
  if depths[queue] > lane.depth then return "lane_full", item.id end
  return nil
end

-- What an item requires and its fairness key, for the core.
function ff.set_route(at, item, core)
  if item.fairness_key then
    core.fk = item.fairness_key
    if item.fairness_weight and item.fairness_weight > 1 then core.fw = item.fairness_weight end
  end
  if not item.requirements then return end
  if string.sub(item.requirements, 1, 1) == "@" then ff.bad_call("requirements do not begin with @") end
  if string.find(" " .. item.requirements, " #lane:", 1, true) then ff.bad_call("requirements name no lane's cap") end
  local required = ff.requirements(item.requirements)
  core.rq = required.field
  if required.field == item.requirements then return end
  at.required = at.required or {}
  at.required[item.id] = required
  ff.satellite(at, item.id, core, { "SET", ff.key(at, item.id, "n"), item.requirements })
end
