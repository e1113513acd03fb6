ff.verb({
  name = "version", kind = "read",
  doc = "The library that answers: the count of compatible changes within this major version.",
  ok = { { "version", "int", "" } },
  refusals = {},
}, function(_, _)
  return { "ok", ff.version }
end)
