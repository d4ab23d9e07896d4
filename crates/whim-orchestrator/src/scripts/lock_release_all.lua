-- Releases everything that a worker holds. The keys of the locks come from its index, which Redis Cluster does not
-- allow: Whim uses a single server.
-- KEYS: the worker's index. ARGV: the worker.
-- Returns the number of released locks.
local released = 0
for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if redis.call('GET', key) == ARGV[1] then
    released = released + redis.call('DEL', key)
  end
end
redis.call('DEL', KEYS[1])
return released
