// WaitFor: blocks until an object is as it should be. What `kubectl wait` is for people, for hosts and their tests.
//
// Thread safety: any thread but a Strand's: the caller is blocked. The object is watched, nothing is polled; the client
// must be allowed to list and watch the resource. `client` and `env` outlive the call.
#pragma once

#include <functional>
#include <string_view>

#include <minikube/client.h>
#include <minikube/env.h>

namespace minikube {

// Returns the first state of the object that `wanted` accepts; null stands for an object that does not exist, so what
// is to go can be waited for too. `wanted` is called once at a time, for what is there and then for each change, but no
// more once WaitFor has returned. States that follow one another quickly may be seen as one. Errors: kTimeout.
Result<ObjectRef> WaitFor(Client& client, Env& env, const ResourceDesc& resource, std::string_view ns,
                          std::string_view name, std::function<bool(const ObjectRef&)> wanted,
                          Duration timeout = std::chrono::seconds(60));

// The same for a type: `wanted` sees only states in which the object exists.
template <typename T>
Result<T> WaitFor(Client& client, Env& env, std::string_view ns, std::string_view name,
                  std::function<bool(const T&)> wanted, Duration timeout = std::chrono::seconds(60)) {
  const Result<ObjectRef> found = WaitFor(
      client, env, Client::ResourceOf<T>(), ns, name,
      [&wanted](const ObjectRef& now) { return now && wanted(now->As<T>()); }, timeout);
  if (!found) return found.status();
  return (*found)->As<T>();
}

// Until there is no such object.
template <typename T>
Status WaitUntilGone(Client& client, Env& env, std::string_view ns, std::string_view name,
                     Duration timeout = std::chrono::seconds(60)) {
  return WaitFor(
             client, env, Client::ResourceOf<T>(), ns, name, [](const ObjectRef& now) { return !now; }, timeout)
      .status();
}

}  // namespace minikube
