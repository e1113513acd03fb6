-- The library's name carries the major version and so does every function: an old library cannot be called by
-- mistake, and two majors live side by side. `version` counts compatible changes of this major.
-- Load time knows bare syntax only (no string, table, math, pairs, type): literals at file level, all else inside
-- functions.
ff = {
  prefix = "ff1_",
  version = 1,
}
