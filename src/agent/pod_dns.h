// What a pod asks names of: its resolv.conf. Pure.
// Semantics: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/
#pragma once

#include <string_view>

#include <minikube/api/core/v1.h>

#include "base/resolv_conf.h"

namespace minikube::agent {

// `cluster_dns` is the address of the cluster's DNS, "" where there is none: then every policy but None begins with the
// machine's own resolvers. More than a resolver takes is left out: three servers, 32 search domains.
ResolvConf ResolvConfFor(const minikube::core::v1::Pod& pod, std::string_view cluster_dns, const ResolvConf& host);

}  // namespace minikube::agent
