-- Finds the file and line behind a place in the loaded library, which Valkey names as in "@user_function:1234".
--   lua5.1 lua/tools/where.lua user_function:1234
--   valkey-cli … | lua5.1 lua/tools/where.lua        every place in the text, which is printed with them
-- Run from the repository's top, on the sources that the library was made from. The order is that of lua/bundle.txt,
-- the shape that of ci/cmake/FfLuaBundle.cmake: two lines of head, then for each file a marker, the file, and "end" for
-- all but the first.

local files, line_number = {}, 3
for name in io.lines("lua/bundle.txt") do
  if name:match("%.lua$") then
    local count = 0
    for _ in io.lines("lua/" .. name) do count = count + 1 end
    files[#files + 1] = { name = "lua/" .. name, first = line_number + 1, last = line_number + count }
    line_number = line_number + count + (#files == 1 and 1 or 2)
  end
end

local function place(number)
  for _, file in ipairs(files) do
    if number >= file.first and number <= file.last then return file.name .. ":" .. (number - file.first + 1) end
  end
  return "between two files"
end

local function resolve(text)
  return (text:gsub("user_function:(%d+)", function(number) return place(tonumber(number)) end))
end

if #arg == 0 then
  for line in io.lines() do print(resolve(line)) end
else
  for _, text in ipairs(arg) do
    local number = text:match("^%d+$")
    print(number and place(tonumber(number)) or resolve(text))
  end
end
