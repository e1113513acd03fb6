ff.verb({
  name = "keep", kind = "free",
  doc = "Renews what a holder has reserved and returns the rest of it: it has `hold` from now on. What it uses counts "
    .. "even when its reservation had ended and others were given the room.",
  args = {
    { "namespace", "bytes", "tenant" }, { "holder", "bytes", "worker instance" }, { "ttl_ms", "int", "from now" },
  },
  items = {
    { "kind", "bytes", "quota or budget" }, { "name", "bytes", "" }, { "seq", "int", "as in reserve" },
    { "hold", "bytes", "as in reserve" }, { "spare", "int", "as in reserve" },
  },
  rows = ff.reservation_rows,
  refusals = {},
}, function(at, a)
  local reply = { "ok" }
  for i = 1, #a.items do
    local item = a.items[i]
    item.unit, item.count, item.starts = "", 0, 0
    ff.reserve(at, a, item, reply)
  end
  ff.save_limits(at)
  ff.commit(at)
  return reply
end)
