-- KEYS: one key per file. ARGV: the worker.
-- Returns the number of files that the worker holds.
if #KEYS == 0 then
  return 0
end
local holds = 0
for _, holder in ipairs(redis.call('MGET', unpack(KEYS))) do
  if holder == ARGV[1] then
    holds = holds + 1
  end
end
return holds
