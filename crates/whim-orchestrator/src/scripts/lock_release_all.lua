-- Releases everything that a worker holds. The locks' keys come from its index, which no cluster could route: Whim
-- uses a single Redis.
-- KEYS: the worker's index. ARGV: the worker.
-- Returns how many were released.
local released = 0
for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('GET', key) == ARGV[1] then
    released = released + redis.call('DEL', key)
  end
end
redis.call('DEL', KEYS[1])
return released
