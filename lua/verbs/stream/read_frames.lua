ff.verb({
  name = "read_frames", kind = "read",
  doc = "Frames of an execution behind a place, in order, at most about a MiB. The summary comes as the whole "
    .. "document, in the place of its last patch. When the execution has ended the last row is the closing marker: "
    .. "mode end, the state as type, and the class of a failure as data.",
  args = {
    { "namespace", "bytes", "tenant" }, { "id", "ulid", "the execution" },
    { "generation", "int", "of the place to read on from; 0 and 0: from the start" },
    { "number", "int", "of that place" },
    { "limit", "int", "rows at the most, 1 to 1000; the summary and the closing marker come beside them" },
  },
  ok = {
    { "generation", "int", "of the place to read on from" }, { "number", "int", "of that place" },
    { "more", "bool", "1: there is more now" },
    { "lost", "bool", "1: frames before the first row are gone: trimmed, or lost with the place asked for" },
    { "state", "bytes", "of the execution" },
  },
  rows = {
    { "generation", "int", "replays before it" }, { "number", "int", "with the generation its place" },
    { "attempt", "int", "that appended it" }, { "at", "int", "ms" },
    { "mode", "bytes", "durable, summary or end" }, { "type", "bytes", "" },
    { "content_type", "bytes", "empty: application/octet-stream" }, { "data", "bytes", "opaque" },
  },
  refusals = { "not_found" },
}, function(at, a)
  local core = ff.load_in(at, a.namespace, a.id)
  if not core then return ff.refused("not_found") end
  local page = { generation = math.max(0, a.generation), number = math.max(0, a.number) }
  page.rows = { "ok", 0, 0, 0, 0, "" }
  ff.read_stream(at, a.id, core, page, math.max(1, math.min(a.limit, 1000)))
  local rows = page.rows
  rows[2], rows[3] = page.generation, page.number
  rows[4], rows[5], rows[6] = page.more and 1 or 0, page.lost and 1 or 0, core.s
  return rows
end)
