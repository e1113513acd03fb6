ff.verb({
  name = "payload", kind = "read",
  doc = "The payload as it was submitted.",
  args = { { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" } },
  ok = { { "content_type", "bytes", "empty: application/octet-stream" }, { "payload", "bytes", "opaque" } },
  refusals = { "not_found" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  return { "ok", core.ct or "", ff.payload_of(at, a.id, core) }
end)
