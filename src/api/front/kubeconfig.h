// The kubeconfig that lets kubectl in (client-go's clientcmd v1 Config).
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "crypto/pki.h"

namespace minikube::api {

// YAML with one cluster, one user and one context, all named `name`; certificates and key are embedded.
std::string MakeKubeconfig(std::string_view name, std::string_view server_url, std::string_view ca_cert_pem,
                           const KeyPair& client);

}  // namespace minikube::api
