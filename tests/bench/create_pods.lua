-- wrk: creates pods of about 3 KB, each under a name of its own.
local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("id", threads)
end

local head = '{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"app":"web","pod-template-hash":"6c4bf444df"},"name":"'
local env = {}
for k = 1, 24 do
  env[k] = string.format('{"name":"SETTING_%d","value":"the value of setting number %d"}', k, k)
end
local container = '{"name":"%s","image":"registry.example.com/team/web:1.2.3","command":["/usr/local/bin/web"],"env":['
  .. table.concat(env, ",") .. '],"resources":{"requests":{"cpu":"100m","memory":"128Mi"}}}'
local tail = '"},"spec":{"containers":[' .. string.format(container, "web") .. "," .. string.format(container, "sidecar") .. "]}}"

local count = 0
function request()
  count = count + 1
  return wrk.format("POST", "/api/v1/namespaces/default/pods",
    { ["Content-Type"] = "application/json", ["Authorization"] = wrk.headers["Authorization"] },
    head .. "p-" .. id .. "-" .. count .. tail)
end
