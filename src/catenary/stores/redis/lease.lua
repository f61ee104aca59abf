#!lua flags=allow-oom
-- Begin a snapshot: from now on commits keep what they replace.
--
-- KEYS: meta, rows
-- ARGV: incarnation, the lease's name, its length (ms), leases that have ended, keys that are usually read
-- Returns {the version that it shows, the values of these keys}.
if redis.call('HGET', KEYS[1], 'incarnation') ~= ARGV[1] then
    return redis.error_reply('CATENARYGONE')
end
local ended = cmsgpack.unpack(ARGV[4])
if #ended > 0 then
    redis.call('HDEL', KEYS[1], unpack(ended))
end
local version = redis.call('HGET', KEYS[1], 'version')
local time = redis.call('TIME')
local deadline = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]
redis.call('HSET', KEYS[1], ARGV[2], version .. ':' .. string.format('%.0f', deadline))
local usual = cmsgpack.unpack(ARGV[5])
return {tonumber(version), #usual > 0 and redis.call('HMGET', KEYS[2], unpack(usual)) or {}}
