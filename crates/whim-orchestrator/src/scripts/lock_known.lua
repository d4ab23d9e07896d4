-- KEYS: the mark.
-- Returns whether this Redis knows the locks: not, when it was emptied or restarted since they were put into it.
if redis.call('GET', KEYS[1]) == string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') then
  return 1
end
return 0
