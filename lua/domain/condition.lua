-- What a suspension waits for: a tree of { all = { … } } and { any = { … } } over leaves. A leaf holds once `count` (1)
-- signals have come that have one of `names` (absent: any name), at `waitpoint` (absent: any of the suspension), and
-- not from a source in `not_from`; with `distinct`, from that many different sources.
-- What holds goes on holding, so each signal is looked at once. The progress of leaf i, in the order of the text, is
-- how many it has counted, or the sources it has counted.

local depth_max, leaves_max, words_max, count_max, distinct_max = 8, 32, 32, 10000, 64
local leaf_fields = {
  names = "words", not_from = "words", waitpoint = "string", count = "number", distinct = "boolean",
}

local function words_fit(list)
  if type(list) ~= "table" or #list < 1 or #list > words_max then return false end
  for i = 1, #list do
    if type(list[i]) ~= "string" then return false end
  end
  return true
end

local function leaf_fits(leaf)
  for field, value in pairs(leaf) do
    local want = leaf_fields[field]
    if not want then return false end
    local good = type(value) == want
    if want == "words" then good = words_fit(value) end
    if not good then return false end
  end
  local count = leaf.count or 1
  return count % 1 == 0 and count >= 1 and count <= (leaf.distinct and distinct_max or count_max)
end

local function fits(node, depth, seen)
  if type(node) ~= "table" or depth > depth_max then return false end
  local inner = node.all or node.any
  if inner == nil then
    seen.leaves = seen.leaves + 1
    return seen.leaves <= leaves_max and leaf_fits(node)
  end
  if type(inner) ~= "table" or #inner < 1 then return false end
  for field in pairs(node) do
    if node[field] ~= inner then return false end
  end
  for i = 1, #inner do
    if not fits(inner[i], depth + 1, seen) then return false end
  end
  return true
end

-- The condition that a text stands for, or nil when it is none that the functions here can work with.
function ff.read_condition(text)
  local okay, node = pcall(cjson.decode, text)
  if okay and fits(node, 1, { leaves = 0 }) then return node end
  return nil
end

function ff.condition_leaves(node, leaves)
  local inner = node.all or node.any
  if not inner then
    leaves[#leaves + 1] = node
    return leaves
  end
  for i = 1, #inner do ff.condition_leaves(inner[i], leaves) end
  return leaves
end

local function among(list, word)
  for i = 1, #list do
    if list[i] == word then return true end
  end
  return false
end

local function takes(leaf, signal)
  if leaf.waitpoint and leaf.waitpoint ~= signal.label then return false end
  if leaf.names and not among(leaf.names, signal.name) then return false end
  return not (leaf.not_from and among(leaf.not_from, signal.source))
end

-- Whether any leaf takes a signal { label, name, source }.
function ff.condition_takes(leaves, signal)
  for i = 1, #leaves do
    if takes(leaves[i], signal) then return true end
  end
  return false
end

-- Nothing counted yet.
function ff.new_progress(leaves)
  local progress = {}
  for i = 1, #leaves do progress[i] = leaves[i].distinct and {} or 0 end
  return progress
end

function ff.count_signal(leaves, progress, signal)
  for i = 1, #leaves do
    local leaf, have = leaves[i], progress[i]
    if takes(leaf, signal) then
      if not leaf.distinct then
        progress[i] = have + 1
      elseif #have < (leaf.count or 1) and not among(have, signal.source) then
        have[#have + 1] = signal.source
      end
    end
  end
end

local function holds(node, progress, at)
  local inner = node.all or node.any
  if not inner then
    at.leaf = at.leaf + 1
    local have = progress[at.leaf]
    return (type(have) == "table" and #have or have) >= (node.count or 1)
  end
  local every, some = true, false
  for i = 1, #inner do
    if holds(inner[i], progress, at) then some = true else every = false end
  end
  if node.all then return every end
  return some
end

function ff.condition_holds(node, progress)
  return holds(node, progress, { leaf = 0 })
end

-- What of a condition does not hold yet, in its own form, with `have` at each leaf; nil when it holds.
local function missing(node, progress, at)
  local inner = node.all or node.any
  if not inner then
    at.leaf = at.leaf + 1
    local have, left = progress[at.leaf], {}
    have = type(have) == "table" and #have or have
    if have >= (node.count or 1) then return nil end
    for field, value in pairs(node) do left[field] = value end
    left.have = have
    return left
  end
  local list, some = {}, false
  for i = 1, #inner do
    local left = missing(inner[i], progress, at)
    if left then list[#list + 1] = left else some = true end
  end
  if #list == 0 or (node.any and some) then return nil end
  return node.all and { all = list } or { any = list }
end

function ff.condition_missing(node, progress)
  return missing(node, progress, { leaf = 0 })
end
