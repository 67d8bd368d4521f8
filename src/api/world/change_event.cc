#include "api/world/change_event.h"

namespace minikube::api {

const std::string& ChangeEvent::Encoded(MediaType type) const {
  const auto index = static_cast<std::size_t>(type);
  std::call_once(once_[index], [&] { Encode(type, *object_, encoded_[index]); });
  return encoded_[index];
}

}  // namespace minikube::api
