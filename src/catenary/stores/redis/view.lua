#!lua flags=no-writes
-- Read all that is asked of a dataset, at one instant.
--
-- KEYS: meta, keys, rows
-- ARGV: incarnation, how many lists of keys follow, these lists, lists of ranges (from, to, from, …)
-- Returns {version, keys, values}, as many lists of each as there was something to say.
if redis.call('HGET', KEYS[1], 'incarnation') ~= ARGV[1] then
    return redis.error_reply('CATENARYGONE')
end
local keys, values = {}, {}
local function take(some)
    keys[#keys + 1] = some
    values[#values + 1] = redis.call('HMGET', KEYS[3], unpack(some))
end
local lists = tonumber(ARGV[2])
for list = 3, 2 + lists do
    take(cmsgpack.unpack(ARGV[list]))
end
for list = 3 + lists, #ARGV do
    local ranges = cmsgpack.unpack(ARGV[list])
    for at = 1, #ranges, 2 do
        local found = redis.call('ZRANGEBYLEX', KEYS[2], ranges[at], ranges[at + 1])
        for first = 1, #found, 4000 do
            local last = math.min(first + 3999, #found)
            take(first == 1 and last == #found and found or {unpack(found, first, last)})
        end
    end
end
return {redis.call('HGET', KEYS[1], 'version'), keys, values}
