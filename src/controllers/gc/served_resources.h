// What is served now, for controllers that act on objects of every kind.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include <minikube/client.h>

namespace minikube::controllers {

// The resources with all of these verbs, custom ones too, in order of group and plural. Each in one version: the one
// that is stored, if it is served. A custom one is valid as long as the client.
std::vector<const ResourceDesc*> ServedResources(Client& client, std::initializer_list<std::string_view> verbs);

}  // namespace minikube::controllers
