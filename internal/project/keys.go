package project

// The keys of dbctl.yaml. What stands behind each, and what there is to say of it, is in keys_test.go, for the reference.
var (
	topKeys         = []string{"project", "default_env", "vars", "secrets", "environments"}
	sourceKeys      = []string{"env", "file", "command", "json"}
	environmentKeys = []string{
		"dsn", "host", "port", "user", "database", "tls", "password", "access_token", "access_token_file", "role", "warehouse", "tenant",
		"vars", "secrets", "env_file", "engine", "data", "state_database", "connect_timeout", "lock_wait", "skip_unsupported",
		"protected",
	}
)
