-- KEYS: the marker.
-- Returns 1 when this server has all locks, 0 when it was emptied or restarted since they were written.
if redis.call('GET', KEYS[1]) == string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') then
  return 1
end
return 0
