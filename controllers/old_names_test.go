package controllers_test

// The names that the tests of the GitOps contract still use.
type story = env

var begin, prepare = startEnv, newEnv

func (s *env) fail(action, code string) { s.failCalls(action, code) }
