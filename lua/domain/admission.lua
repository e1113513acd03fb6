-- What a lane makes of a submitted item.

-- Why the lane takes no new execution now; nil: it does.
function ff.refuses(at, a, item, lane, lean)
  if a.again and item.idempotency_key == "" then
    -- Had the first call made it, it might be over and deleted by now.
    if lean or (lane.policy.retention_ms or 60000) < 60000 then return "unknown_outcome", item.id end
  end
  if lane.draining then return "lane_draining", item.id end
  if lane.home and lane.home ~= tonumber(string.match(at.tag, ":(%d+)%.")) then
    return "elsewhere", string.format("%d", lane.home)
  end
  if not lane.depth then return nil end
  local queue, depths = a.namespace .. "/" .. item.lane, at.depths or {}
  at.depths = depths
  depths[queue] = (depths[queue] or ff.waiting(at, queue, lane)) + 1
  if depths[queue] > lane.depth then return "lane_full", item.id end
  return nil
end

-- Sets a field of a core in the making.
function ff.set_field(core, fields, field, value)
  local n = #fields
  fields[n + 1], fields[n + 2] = field, value
  core[field] = tostring(value)
end

-- What an item requires and its fairness key, for the core.
function ff.set_route(at, item, core, fields)
  if item.fairness_key then
    ff.set_field(core, fields, "fk", item.fairness_key)
    if item.fairness_weight > 1 then ff.set_field(core, fields, "fw", item.fairness_weight) end
  end
  if not item.requirements then return end
  if string.sub(item.requirements, 1, 1) == "@" then ff.bad_call("requirements do not begin with @") end
  core.required = ff.requirements(item.requirements)
  ff.set_field(core, fields, "rq", core.required.field)
  if core.required.field == item.requirements then return end
  ff.satellite(at, core, fields, { "SET", ff.key(at, item.id, "n"), item.requirements })
end
