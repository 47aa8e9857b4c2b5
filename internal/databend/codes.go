package databend

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dbctl/dbctl/internal/shell"
	"github.com/dbctl/dbctl/internal/sqltext"
	"github.com/dbctl/dbctl/internal/sqltext/effect"
)

// Codes of an Error that callers tell apart.
const (
	CodeInternal         = 1001
	CodeUnimplemented    = 1002
	CodeUnknownDatabase  = 1003
	CodeSyntax           = 1005
	CodeBadArguments     = 1006
	CodeUnknownFunction  = 1008
	CodeBadValueType     = 1010
	CodeUnknownTable     = 1025
	CodeNoProcesses      = 1035 // NotFoundClusterNode: the bare embedded engine has no system.processes
	CodeBadBytes         = 1046
	CodeUnknownColumn    = 1058
	CodePermissionDenied = 1063
	CodeSemantic         = 1065 // an unknown column, for one
	CodeBadCompression   = 1076 // a file that cannot be unpacked; the text names it
	CodeGeometry         = 1090
	CodeUnwind           = 1104 // a panic of the server
	CodeUnknownDatamask  = 1113
	CodeUnknownCatalog   = 1119
	CodeUnknownRowPolicy = 1131
	CodeSchemaMismatch   = 1303 // COPY: the files' schemas differ
	CodeNoLicence        = 1402
	CodeNoTasks          = 1702
	CodeMetaService      = 2001 // CREATE STAGE: a storage that the server makes none over, for one
	CodeVersionMismatch  = 2009 // somebody committed to the table meanwhile
	CodeNoHistory        = 2013 // FLASHBACK: no such snapshot
	CodeUnknownUser      = 2201
	CodeUnknownRole      = 2204
	CodeTableExists      = 2302
	CodeUndropNoHistory  = 2309
	CodeUndropNoDatabase = 2312
	CodeUndropVacuumed   = 2326
	CodeUnknownStage     = 2501
	CodeIllegalReference = 2747 // FLASHBACK: an index or constraint needs a column that the snapshot lacks
	CodeStorageNotFound  = 3001
	CodeNoProcedure      = 3130
	CodeStorageDenied    = 3002
	CodeStorageOther     = 4000
	CodeConflict         = 4001 // two transactions
)

// Codes that the package itself acts on.
const (
	codeAbortedSession = 1042
	codeAbortedQuery   = 1043
	codeUnknownSession = 1053
	codeAuth           = 5100
)

// codeName returns Databend's name of an error code, or "". The server sends the code only.
func codeName(code int) string { return codeNames[code] }

var codeNames = map[int]string{
	1001: "Internal",
	1002: "Unimplemented",
	1003: "UnknownDatabase",
	1004: "UnknownDatabaseId",
	1005: "SyntaxException",
	1006: "BadArguments",
	1007: "IllegalDataType",
	1008: "UnknownFunction",
	1010: "BadDataValueType",
	1016: "EmptyData",
	1017: "DataStructMissMatch",
	1018: "BadDataArrayLength",
	1020: "UnknownTableId",
	1025: "UnknownTable",
	1026: "UnknownView",
	1027: "UnknownAggregateFunction",
	1028: "NumberArgumentsNotMatch",
	1029: "ViewDependencyError",
	1030: "EmptyDataFromServer",
	1035: "NotFoundClusterNode",
	1036: "BadAddressFormat",
	1037: "DnsParseError",
	1038: "CannotConnectNode",
	1041: "TooManyUserConnections",
	1042: "AbortedSession",
	1043: "AbortedQuery",
	1044: "ClosedQuery",
	1045: "CannotListenerPort",
	1046: "BadBytes",
	1047: "InitPrometheusFailure",
	1049: "Overflow",
	1052: "TLSConfigurationFailure",
	1053: "UnknownSession",
	1057: "SHA1CheckFailed",
	1058: "UnknownColumn",
	1060: "StrParseError",
	1061: "IllegalGrant",
	1062: "ManagementModePermissionDenied",
	1063: "PermissionDenied",
	1064: "UnmarshalError",
	1065: "SemanticError",
	1066: "NeedChangePasswordDenied",
	1067: "UnknownException",
	1068: "TokioError",
	1072: "HttpNotFound",
	1074: "UnknownFormat",
	1075: "UnknownCompressionType",
	1076: "InvalidCompressionData",
	1078: "InvalidTimezone",
	1079: "InvalidDate",
	1080: "InvalidTimestamp",
	1081: "InvalidClusterKeys",
	1082: "UnknownFragmentExchange",
	1090: "GeometryError",
	1101: "TenantIsEmpty",
	1102: "IndexOutOfBounds",
	1103: "LayoutError",
	1104: "UnwindError",
	1106: "TableInfoError",
	1107: "ReadTableDataError",
	1108: "AddColumnExistError",
	1109: "DropColumnEmptyError",
	1110: "TableWithInternalColumnName",
	1111: "ColumnReferencedByIndex",
	1112: "LicenceDenied",
	1113: "UnknownDatamask",
	1114: "UnmatchColumnDataType",
	1115: "VirtualColumnError",
	1116: "VirtualColumnAlreadyExists",
	1117: "ColumnReferencedByComputedColumn",
	1118: "UnclusteredTable",
	1119: "UnknownCatalog",
	1120: "UnknownCatalogType",
	1121: "UnmatchMaskPolicyReturnType",
	1122: "Timeout",
	1123: "Outdated",
	1124: "OutofSequenceRange",
	1125: "WrongSequenceCount",
	1126: "UnknownSequence",
	1127: "UnknownQuery",
	1128: "VirtualColumnTooMany",
	1129: "VirtualColumnIdOutBound",
	1130: "EmptyShareEndpointConfig",
	1131: "UnknownRowAccessPolicy",
	1132: "AlterTableError",
	1133: "ConstraintError",
	1134: "UnknownMaskPolicy",
	1201: "ParquetFileInvalid",
	1202: "InvalidUtf8String",
	1301: "TableOptionInvalid",
	1302: "TableEngineNotSupported",
	1303: "TableSchemaMismatch",
	1401: "LicenseKeyParseError",
	1402: "LicenseKeyInvalid",
	1403: "EnterpriseFeatureNotEnable",
	1404: "LicenseKeyExpired",
	1503: "InvalidRowIdIndex",
	1601: "UnsupportedIndex",
	1602: "RefreshIndexError",
	1603: "IndexOptionInvalid",
	1701: "CloudControlConnectError",
	1702: "CloudControlNotEnabled",
	1703: "IllegalCloudControlMessageFormat",
	1810: "UDFRuntimeError",
	1901: "TantivyError",
	1902: "TantivyOpenReadError",
	1903: "TantivyQueryParserError",
	1910: "ReqwestError",
	2001: "MetaServiceError",
	2002: "InvalidConfig",
	2003: "MetaStorageError",
	2004: "InvalidArgument",
	2005: "InvalidReply",
	2009: "TableVersionMismatched",
	2011: "OCCRetryFailure",
	2012: "TableNotWritable",
	2013: "TableHistoricalDataNotFound",
	2014: "DuplicatedUpsertFiles",
	2015: "TableAlreadyLocked",
	2016: "TableLockExpired",
	2201: "UnknownUser",
	2202: "UserAlreadyExists",
	2203: "IllegalUserInfoFormat",
	2204: "UnknownRole",
	2206: "InvalidRole",
	2207: "UnknownNetworkPolicy",
	2208: "NetworkPolicyAlreadyExists",
	2209: "IllegalNetworkPolicy",
	2210: "NetworkPolicyIsUsedByUser",
	2211: "UnknownPasswordPolicy",
	2212: "PasswordPolicyAlreadyExists",
	2213: "IllegalPasswordPolicy",
	2214: "PasswordPolicyIsUsedByUser",
	2215: "InvalidPassword",
	2216: "RoleAlreadyExists",
	2217: "IllegalRole",
	2218: "IllegalUser",
	2301: "DatabaseAlreadyExists",
	2302: "TableAlreadyExists",
	2303: "DatabaseVersionMismatched",
	2306: "ViewAlreadyExists",
	2307: "CreateTableWithDropTime",
	2308: "UndropTableAlreadyExists",
	2309: "UndropTableHasNoHistory",
	2310: "CreateDatabaseWithDropTime",
	2312: "UndropDbHasNoHistory",
	2313: "UndropTableWithNoDropTime",
	2314: "DropTableWithDropTime",
	2315: "DropDbWithDropTime",
	2316: "UndropDbWithNoDropTime",
	2317: "TxnRetryMaxTimes",
	2318: "CatalogNotSupported",
	2319: "CatalogAlreadyExists",
	2320: "CatalogNotFound",
	2321: "DatamaskAlreadyExists",
	2322: "CommitTableMetaError",
	2323: "CreateAsDropTableWithoutDropTime",
	2324: "RowAccessPolicyAlreadyExists",
	2325: "GeneralDbGcFailure",
	2326: "UndropTableRetentionGuard",
	2327: "TableSnapshotExpired",
	2328: "InvalidMaterializedView",
	2329: "MaterializedViewAlreadyExists",
	2401: "ClusterUnknownNode",
	2402: "ClusterNodeAlreadyExists",
	2403: "InvalidWarehouse",
	2404: "NoResourcesAvailable",
	2405: "WarehouseAlreadyExists",
	2406: "UnknownWarehouse",
	2407: "WarehouseOperateConflict",
	2408: "EmptyNodesForWarehouse",
	2409: "WarehouseClusterAlreadyExists",
	2410: "WarehouseClusterNotExists",
	2411: "MemoryExceedsLimit",
	2501: "UnknownStage",
	2502: "StageAlreadyExists",
	2503: "IllegalUserStageFormat",
	2504: "StageFileAlreadyExists",
	2505: "IllegalStageFileFormat",
	2506: "StagePermissionDenied",
	2507: "UnknownFileFormat",
	2508: "IllegalFileFormat",
	2509: "FileFormatAlreadyExists",
	2510: "UnknownConnection",
	2511: "IllegalConnection",
	2512: "ConnectionAlreadyExists",
	2513: "JiffError",
	2601: "IllegalUDFFormat",
	2602: "UnknownUDF",
	2603: "UdfAlreadyExists",
	2604: "UDFServerConnectError",
	2605: "UDFSchemaMismatch",
	2606: "UnsupportedDataType",
	2607: "UDFDataError",
	2611: "UnknownTask",
	2612: "TaskAlreadyExists",
	2613: "TaskTimezoneInvalid",
	2614: "TaskCronInvalid",
	2615: "TaskScheduleAndAfterConflict",
	2616: "TaskWhenConditionNotMet",
	2701: "UnknownDatabaseEngine",
	2702: "UnknownTableEngine",
	2703: "UnsupportedEngineParams",
	2719: "ShareStorageError",
	2720: "CreateIndexWithDropTime",
	2721: "IndexAlreadyExists",
	2722: "UnknownIndex",
	2723: "DropIndexWithDropTime",
	2724: "GetIndexWithDropTime",
	2725: "DuplicatedIndexColumnId",
	2726: "IndexColumnIdNotFound",
	2730: "UnknownStream",
	2731: "UnknownStreamId",
	2732: "StreamAlreadyExists",
	2733: "IllegalStream",
	2734: "StreamVersionMismatched",
	2735: "WithOptionInvalid",
	2740: "IllegalDynamicTable",
	2745: "UnknownReference",
	2746: "ReferenceAlreadyExists",
	2747: "IllegalReference",
	2748: "ReferenceExpired",
	2750: "TagAlreadyExists",
	2751: "UnknownTag",
	2752: "NotAllowedTagValue",
	2753: "TagHasReferences",
	2754: "TagHasUnrecognizedReferences",
	2801: "UnknownVariable",
	2802: "OnlySupportAsciiChars",
	2803: "WrongValueForVariable",
	2901: "IllegalTenantQuotaFormat",
	2902: "TenantQuotaUnknown",
	2903: "TenantQuotaExceeded",
	3001: "StorageNotFound",
	3002: "StoragePermissionDenied",
	3101: "SequenceError",
	3102: "AutoIncrementError",
	3113: "DictionaryAlreadyExists",
	3114: "UnknownDictionary",
	3115: "DictionarySourceError",
	3128: "ScriptSemanticError",
	3129: "ScriptExecutionError",
	3130: "UnknownProcedure",
	3131: "ProcedureAlreadyExists",
	3132: "IllegalProcedureFormat",
	3140: "InvalidWorkload",
	3141: "AlreadyExistsWorkload",
	3142: "UnknownWorkload",
	3143: "WorkloadOperateConflict",
	3144: "UnknownWorkloadQuotas",
	3901: "StorageUnavailable",
	3902: "StorageUnsupported",
	3903: "StorageInsecure",
	3904: "DeprecatedIndexFormat",
	3905: "InvalidOperation",
	4000: "StorageOther",
	4001: "UnresolvableConflict",
	4002: "CurrentTransactionIsAborted",
	4003: "TransactionTimeout",
	4012: "NoNeedToCompact",
	5002: "AlreadyStopped",
	5100: "AuthenticateFailure",
	5101: "SessionTokenExpired",
	5102: "RefreshTokenExpired",
	5103: "SessionTokenNotFound",
	5104: "RefreshTokenNotFound",
	5110: "SessionTimeout",
	5111: "SessionLost",
	5112: "InvalidSessionState",
}

// hints say what usually mends an error. {columns} and {create} stand for how to look at the table that the
// statement is about, and {exists} for what to do about an object that is there already.
var hints = map[int]string{
	1001: "the server failed inside; run it again, and look at the server's log if it stays",
	1002: "this server does not have it: leave the statement out, or use a newer server; some features need a setting that its message names",
	1003: "check the database's name, or create it first: `dbctl sql 'SHOW DATABASES'` lists them",
	1005: "check the statement at the marked place",
	1006: "check the values and options of the statement: its message says which does not fit",
	1007: "check the types in the statement, and convert with CAST or ::TYPE: {columns}",
	1008: "check the function's name: `dbctl sql 'SHOW FUNCTIONS'` lists the server's, `dbctl sql 'SHOW USER FUNCTIONS'` your own",
	1010: "check that the value fits the column's type: {columns}",
	1017: "check that values and columns are equal in number and type: {columns}",
	1018: "check that values and columns are equal in number: {columns}",
	1025: "check the name, and its database (database.table for another one): `dbctl sql 'SHOW TABLES'` lists them",
	1026: "check the view's name and database: `dbctl sql 'SHOW VIEWS'` lists them",
	1027: "check the function's name: `dbctl sql 'SHOW FUNCTIONS'` lists them",
	1028: "check how many arguments the function takes: `dbctl sql 'SHOW FUNCTIONS'` describes them",
	1029: "a view needs the object: drop or change the view first; `dbctl sql 'SHOW VIEWS'` lists them",
	1041: "the warehouse has too many connections; try again later",
	1043: "the statement was stopped; run it again, with a longer --timeout where that stopped it",
	1046: "the value cannot be read as the type; check it, or use TRY_CAST",
	1049: "the number does not fit its type; use a wider one: {columns}",
	1053: "the server forgot the session; run it again",
	1058: "check the column's name: {columns}",
	1060: "the text cannot be read as the type; check it, or use TRY_CAST",
	1061: "check the GRANT: what may be granted depends on the kind of the object; `dbctl sql 'SHOW GRANTS'` shows your own",
	1062: "ask an administrator: the server's management mode does not allow it",
	1063: "ask an administrator to GRANT the privilege to the role, or set another role: in dbctl.yaml; `dbctl sql 'SHOW GRANTS'` shows it",
	1065: "check the names and types at the marked place: {columns}",
	1066: "the user has to change the password first: ALTER USER USER() IDENTIFIED BY '…'",
	1074: "check TYPE of the FILE_FORMAT: CSV, TSV, NDJSON, PARQUET, ORC, AVRO",
	1075: "check COMPRESSION of the FILE_FORMAT: AUTO, NONE, GZIP, ZSTD, …",
	1078: "check the time zone's name, like Europe/Berlin",
	1079: "check the date, like 2025-01-31; TRY_CAST gives NULL instead",
	1080: "check the time, like 2025-01-31 12:00:00; TRY_CAST gives NULL instead",
	1081: "check the CLUSTER BY: its columns must be the table's, and of a type that can be compared: {columns}",
	1090: "check the geometry: TRY_TO_GEOMETRY gives NULL instead",
	1104: "the server failed inside; write the statement another way, and look at the server's log",
	1106: "check the table's options and engine: {create} shows them",
	1108: "the table has the column already: {columns}; leave the statement out, or give it another name",
	1109: "a table keeps at least one column: drop the table instead",
	1110: "the name is one of the engine's own columns (_row_id, _block_name, …): give the column another one",
	1111: "an index needs the column: drop the index first; {create} shows them",
	1113: "create the masking policy first (a migration), or check its name",
	1114: "check the column's type: {columns}",
	1117: "a computed column needs the column: drop that first; {columns}",
	1118: "give the table a cluster key first: ALTER TABLE … CLUSTER BY (…)",
	1119: "check the catalog's name: `dbctl sql 'SHOW CATALOGS'` lists them",
	1122: "the server waited too long; run it again later",
	1124: "the sequence is used up: make a new one with a wider range",
	1126: "check the sequence's name: `dbctl sql 'SHOW SEQUENCES'` lists them",
	1131: "create the row access policy first (a migration), or check its name",
	1132: "check the ALTER: the table cannot be changed so; {columns}",
	1133: "check the constraint and the rows that are there: {create} shows it",
	1134: "create the masking policy first (a migration), or check its name",
	1301: "check the option's name and value: {create} shows those of a table",
	1302: "the table's engine cannot do it: {create} shows which it is",
	1303: "check that the columns are the table's, in number and order: {columns}",
	1402: "this feature needs a Databend Enterprise licence; `dbctl migrate up --skip-unsupported` leaves such migrations out",
	1403: "this feature needs a Databend Enterprise licence; `dbctl migrate up --skip-unsupported` leaves such migrations out",
	1404: "the Databend Enterprise licence has expired",
	1601: "the index does not fit the table or its columns: {columns}",
	1602: "the index could not be refreshed: `dbctl sql 'SHOW INDEXES'` lists the indexes",
	1603: "check the index's options",
	1702: "this needs Databend Cloud or a task service (cloud control); `dbctl migrate up --skip-unsupported` leaves such migrations out",
	2004: "check the values of the statement: its message says which does not fit",
	2009: "the table was changed by someone else at the same time; run it again",
	2012: "the table cannot be written: it is attached, or of another engine; {create} shows it",
	2013: "the table's history no longer reaches that far (data_retention_time_in_days)",
	2014: "another COPY loaded the same file at the same time; run the load again",
	2015: "another statement holds the table's lock; run it again later",
	2201: "create the user first (a migration), or check its name: `dbctl sql 'SHOW USERS'` lists them",
	2202: "{exists}: `dbctl sql 'SHOW USERS'` lists them",
	2203: "check the user's options",
	2204: "create the role first (a migration), or check its name, also role: in dbctl.yaml: `dbctl sql 'SHOW ROLES'` lists them",
	2206: "check the role's name: `dbctl sql 'SHOW ROLES'` lists them",
	2207: "create the network policy first (a migration), or check its name: `dbctl sql 'SHOW NETWORK POLICIES'` lists them",
	2208: "{exists}: `dbctl sql 'SHOW NETWORK POLICIES'` lists them",
	2210: "a user has the network policy: take it from the user first; `dbctl sql 'SHOW USERS'` lists them",
	2211: "create the password policy first (a migration), or check its name: `dbctl sql 'SHOW PASSWORD POLICIES'` lists them",
	2212: "{exists}: `dbctl sql 'SHOW PASSWORD POLICIES'` lists them",
	2214: "a user has the password policy: take it from the user first; `dbctl sql 'SHOW USERS'` lists them",
	2215: "choose a password that the user's password policy allows",
	2216: "{exists}: `dbctl sql 'SHOW ROLES'` lists them",
	2217: "check the role: the built-in ones (account_admin, public) cannot be changed",
	2218: "check the user: the one that is logged in, and root, cannot be changed so",
	2301: "{exists}: `dbctl sql 'SHOW DATABASES'` lists them",
	2302: "{exists}: `dbctl sql 'SHOW TABLES'` lists them",
	2306: "{exists}: `dbctl sql 'SHOW VIEWS'` lists them",
	2308: "a table with that name is there: rename it first; `dbctl sql 'SHOW TABLES'` lists them",
	2309: "the table was never dropped, or its history is gone: `dbctl sql 'SHOW DROP TABLES'` lists what can come back",
	2312: "the database was never dropped, or its history is gone: `dbctl sql 'SHOW DROP DATABASES'` lists what can come back",
	2319: "{exists}: `dbctl sql 'SHOW CATALOGS'` lists them",
	2320: "check the catalog's name: `dbctl sql 'SHOW CATALOGS'` lists them",
	2321: "{exists}",
	2324: "{exists}",
	2326: "the dropped table is past its retention, and cannot come back",
	2327: "the table's history no longer reaches that far (data_retention_time_in_days)",
	2329: "{exists}: `dbctl sql 'SHOW VIEWS'` lists them",
	2403: "check warehouse: in dbctl.yaml",
	2406: "check warehouse: in dbctl.yaml",
	2501: "create the stage first (a migration), or check its name: `dbctl sql 'SHOW STAGES'` lists them",
	2502: "{exists}: `dbctl sql 'SHOW STAGES'` lists them",
	2503: "check the stage's URL and options: `dbctl sql 'SHOW STAGES'` lists the others",
	2504: "the file is there already: REMOVE it first, or give it another name",
	2505: "check the FILE_FORMAT of the stage or COPY",
	2506: "ask an administrator to GRANT READ or WRITE ON STAGE to this role",
	2507: "create the file format first (a migration), or check its name: `dbctl sql 'SHOW FILE FORMATS'` lists them",
	2508: "check the options of the file format",
	2509: "{exists}: `dbctl sql 'SHOW FILE FORMATS'` lists them",
	2510: "create the connection first (a migration), or check its name: `dbctl sql 'SHOW CONNECTIONS'` lists them",
	2511: "check STORAGE_TYPE and the keys of the connection",
	2512: "{exists}: `dbctl sql 'SHOW CONNECTIONS'` lists them",
	2601: "check the function's parameters and body",
	2602: "create the function first (a migration), or check its name: `dbctl sql 'SHOW USER FUNCTIONS'` lists them",
	2603: "{exists}: `dbctl sql 'SHOW USER FUNCTIONS'` lists them",
	2604: "the server cannot reach the function's address: check it, and that its service runs",
	2606: "the type cannot be used there: choose another",
	2611: "check the task's name: `dbctl sql 'SHOW TASKS'` lists them",
	2612: "{exists}: `dbctl sql 'SHOW TASKS'` lists them",
	2613: "check the time zone of SCHEDULE, like Europe/Berlin",
	2614: "check the cron expression of SCHEDULE: it has six fields, seconds first",
	2615: "a task has SCHEDULE or AFTER, not both",
	2701: "check the database's ENGINE: `dbctl sql 'SHOW ENGINES'` lists them",
	2702: "check the table's ENGINE: `dbctl sql 'SHOW ENGINES'` lists them",
	2703: "check the parameters of the engine",
	2721: "{exists}: `dbctl sql 'SHOW INDEXES'` lists them",
	2722: "check the index's name: `dbctl sql 'SHOW INDEXES'` lists them",
	2725: "a column stands twice in the index",
	2726: "check the columns of the index: {columns}",
	2730: "create the stream first (a migration), or check its name: `dbctl sql 'SHOW STREAMS'` lists them",
	2732: "{exists}: `dbctl sql 'SHOW STREAMS'` lists them",
	2733: "the stream's table was dropped or made again; recreate the stream",
	2735: "check the WITH options of the statement",
	2740: "check the dynamic table's options and query",
	2746: "{exists}",
	2747: "the snapshot lacks what an index or constraint needs: drop that first; {create} shows them",
	2750: "{exists}",
	2751: "create the tag first (a migration), or check its name",
	2752: "check the tag's ALLOWED_VALUES",
	2753: "objects have the tag: unset it there first",
	2801: "check the setting's name, and the DSN's parameters, of which an unknown one is a setting; `dbctl sql 'SHOW SETTINGS'` lists them",
	2803: "check the setting's value: `dbctl sql 'SHOW SETTINGS'` shows each with its range",
	3001: "check the stage's URL, bucket and path (`dbctl doctor` lists each), and that the file is still there",
	3002: "the object store refused the key: check the connection's keys and their rights on the bucket; `dbctl doctor` tries each stage",
	3101: "check the sequence's options: `dbctl sql 'SHOW SEQUENCES'` lists them",
	3113: "{exists}: `dbctl sql 'SHOW DICTIONARIES'` lists them",
	3114: "check the dictionary's name: `dbctl sql 'SHOW DICTIONARIES'` lists them",
	3115: "check the dictionary's SOURCE: the server cannot read it",
	3128: "check the script: a name or type in it does not fit",
	3129: "check the script: a statement of it failed",
	3130: "check the procedure's name and the types of its arguments: `dbctl sql 'SHOW PROCEDURES'` lists them",
	3131: "{exists}: `dbctl sql 'SHOW PROCEDURES'` lists them",
	3901: "the object store does not answer; check the endpoint, try again later",
	3902: "this storage does not support it (a local disk has no presigned URLs)",
	3903: "the server allows no http for storage: use https in ENDPOINT_URL, or allow_insecure in its configuration",
	3904: "the index has an old format: drop it and create it again",
	3905: "the table or storage does not allow it: its message says why",
	4000: "the object store gave an error: check bucket, region and endpoint of the stage's connection; `dbctl doctor` tries each stage",
	4001: "another session changed the same table; run it again",
	4002: "an earlier statement of the transaction failed; it was rolled back",
	4003: "the transaction was open for too long; run it again",
	5100: "check the user and the password or access token of this environment",
	5101: "run it again: the session was over",
	5110: "run it again: the session was over",
	5111: "run it again: the server lost the session",
}

// hintAbout is a hint with the name of the table that it is about; "" is none.
func hintAbout(hint, table, file string) string {
	columns, create := "`dbctl sql 'SHOW TABLES'` lists the tables", "`dbctl sql 'SHOW TABLES'`"
	if table != "" {
		columns = "`" + shell.Join("dbctl", "sql", "DESC "+table) + "` lists the columns"
		create = "`" + shell.Join("dbctl", "sql", "SHOW CREATE TABLE "+table) + "`"
	}
	return strings.NewReplacer(
		"{columns}", columns, "{create}", create,
		"{exists}", "it is there already: choose another name, say IF NOT EXISTS"+adopted(file),
	).Replace(hint)
}

// adopted is the part of a hint that tells how a migration's objects, which are there, become the migration's.
func adopted(file string) string {
	number, _, _ := strings.Cut(path.Base(file), "_")
	version := strings.TrimLeft(number, "0")
	if version == "" || strings.Trim(version, "0123456789") != "" {
		return ""
	}
	return ", or, where the warehouse is as the migration makes it, adopt it with `dbctl migrate baseline " + version + " --reason why`"
}

// tableOf is the table that a statement is about, as a hint writes it: what it reads, else what it changes; "" where it names none.
func tableOf(sql, database string) string {
	e := effect.Analyze(sql, database)
	objects := slices.Clone(e.Names)
	for _, w := range e.Writes {
		if w.Verb == effect.Alter || w.Verb == effect.WriteData {
			objects = append(objects, w.Object)
		}
	}
	for _, o := range objects {
		if o.Kind == sqltext.Table && o.Name != "" {
			return o.Pasted()
		}
	}
	return ""
}

// nested is an error that the server quotes in the text of another: a stage whose connection does not exist is a 4000.
var nested = regexp.MustCompile(`\b[A-Z]\w+\. Code: (\d+), Text = `)

func hintFor(code int, message string) string {
	if m := nested.FindStringSubmatch(message); m != nil {
		if inner, err := strconv.Atoi(m[1]); err == nil && hints[inner] != "" {
			code = inner
		}
	}
	return hints[code]
}

// quote makes a literal of an id of ours or of the server's.
func quote(id string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(id) + "'"
}
