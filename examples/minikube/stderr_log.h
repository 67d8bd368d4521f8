// A log sink that writes one line per entry to stderr: time, level, component, message, key=value pairs.
#pragma once

#include <minikube/env.h>
#include <minikube/log.h>

namespace minikube::example {

class StderrLog final : public LogSink {
 public:
  StderrLog(LogLevel level, const Clock& clock) : level_(level), clock_(clock) {}
  LogLevel level() const override { return level_; }
  void Write(LogLevel level, std::string_view component, std::string_view message,
             std::initializer_list<LogField> fields) override;

 private:
  LogLevel level_;
  const Clock& clock_;
};

}  // namespace minikube::example
