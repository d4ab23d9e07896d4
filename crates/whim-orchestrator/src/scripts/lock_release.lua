-- Releases those of the given files that the worker holds.
-- KEYS: the worker's index, then one key a file. ARGV: the worker.
-- Returns how many were released.
local released = 0
for i = 2, #KEYS do
  if redis.call('GET', KEYS[i]) == ARGV[1] then
    released = released + redis.call('DEL', KEYS[i])
  end
  redis.call('SREM', KEYS[1], KEYS[i])
end
return released
