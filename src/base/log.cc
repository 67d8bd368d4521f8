#include <minikube/log.h>

namespace minikube {
namespace {

class NullSink final : public LogSink {
 public:
  LogLevel level() const override { return LogLevel::kOff; }
  void Write(LogLevel, std::string_view, std::string_view, std::initializer_list<LogField>) override {}
};

}  // namespace

LogSink& NullLogSink() {
  static NullSink sink;
  return sink;
}

}  // namespace minikube
