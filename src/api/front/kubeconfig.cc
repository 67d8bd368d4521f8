#include "api/front/kubeconfig.h"

#include <fmt/format.h>

#include "crypto/base64.h"

namespace minikube::api {

std::string MakeKubeconfig(std::string_view name, std::string_view server_url, std::string_view ca_cert_pem,
                           const KeyPair& client) {
  return fmt::format(
      "apiVersion: v1\n"
      "kind: Config\n"
      "clusters:\n"
      "- name: {0}\n"
      "  cluster:\n"
      "    certificate-authority-data: {2}\n"
      "    server: {1}\n"
      "users:\n"
      "- name: {0}\n"
      "  user:\n"
      "    client-certificate-data: {3}\n"
      "    client-key-data: {4}\n"
      "contexts:\n"
      "- name: {0}\n"
      "  context:\n"
      "    cluster: {0}\n"
      "    user: {0}\n"
      "current-context: {0}\n"
      "preferences: {{}}\n",
      name, server_url, Base64(ca_cert_pem), Base64(client.cert_pem), Base64(client.key_pem));
}

}  // namespace minikube::api
