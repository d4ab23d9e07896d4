-- KEYS: one key a file. ARGV: the worker.
-- Returns how many of the files the worker holds.
local holds = 0
for _, key in ipairs(KEYS) do
  if redis.call('GET', key) == ARGV[1] then
    holds = holds + 1
  end
end
return holds
