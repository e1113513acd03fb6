-- The only constructors of replies. A reply is flat: "ok" and the declared fields, then the declared rows one after the
-- other; or "refused" and one of the declared words. Error replies mean a bug of the caller or damaged data.

function ff.refused(word)
  return { "refused", word }
end

-- Raises: the caller broke the calling convention. Nothing has been written.
function ff.bad_call(what)
  error({ err = "FF_BAD_CALL " .. what }, 0)
end

-- Raises: stored data is not what it must be. Only before the first write.
function ff.corrupt(what)
  error({ err = "FF_CORRUPT " .. what }, 0)
end
