// The part of a kubeconfig that a client needs: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
#pragma once

#include <string>
#include <string_view>

#include <minikube/status.h>

namespace minikube::client {

struct Kubeconfig {
  std::string host;
  std::string port;
  std::string path;         // prefix of every request path, without trailing slash
  std::string server_name;  // to expect in the certificate; the host unless told otherwise
  bool skip_verify = false;
  std::string ca;           // PEM; "" = the system's authorities
  std::string certificate;  // PEM; "" = none
  std::string key;          // PEM
  std::string token;        // bearer; "" = none
  std::string basic;        // user:password; "" = none
  std::string impersonate;  // user to act as; "" = none
};

// `context` "" = current-context. Files named in it are read now. Errors: as NewRemoteClient.
Result<Kubeconfig> ParseKubeconfig(std::string_view text, std::string_view context);

}  // namespace minikube::client
