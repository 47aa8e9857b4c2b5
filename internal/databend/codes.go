package databend

import (
	"regexp"
	"strconv"
	"strings"
)

// Codes of an Error that callers tell apart.
const (
	CodeInternal         = 1001
	CodeUnimplemented    = 1002
	CodeUnknownDatabase  = 1003
	CodeBadArguments     = 1006
	CodeUnknownFunction  = 1008
	CodeBadValueType     = 1010
	CodeUnknownTable     = 1025
	CodeNoProcesses      = 1035 // NotFoundClusterNode: the bare embedded engine has no system.processes
	CodeBadBytes         = 1046
	CodeUnknownColumn    = 1058
	CodeSemantic         = 1065 // an unknown column, for one
	CodeBadCompression   = 1076 // a file that cannot be unpacked; the text names it
	CodeGeometry         = 1090
	CodeUnwind           = 1104 // a panic of the server
	CodeUnknownCatalog   = 1119
	CodeSchemaMismatch   = 1303 // COPY: the files' schemas differ
	CodeNoLicence        = 1402
	CodeNoTasks          = 1702
	CodeMetaService      = 2001 // CREATE STAGE: a storage that the server makes none over, for one
	CodeVersionMismatch  = 2009 // somebody committed to the table meanwhile
	CodeNoHistory        = 2013 // FLASHBACK: no such snapshot
	CodeTableExists      = 2302
	CodeUndropNoHistory  = 2309
	CodeUndropVacuumed   = 2326
	CodeUnknownStage     = 2501
	CodeIllegalReference = 2747 // FLASHBACK: an index or constraint needs a column that the snapshot lacks
	CodeStorageNotFound  = 3001
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

// hints say what usually mends an error.
var hints = map[int]string{
	1003: "create the database first, or check its name (SHOW DATABASES)",
	1005: "check the statement at the marked place",
	1025: "check the name and the database it is looked up in (SHOW TABLES); a table of another database needs database.table",
	1026: "check the view's name and database (SHOW TABLES lists views too)",
	1041: "the warehouse has too many connections; try again later",
	1058: "check the column's name (DESC TABLE)",
	1063: "ask an administrator to GRANT the privilege to this role, or use another role= in the DSN",
	1301: "check the option's name and value (SHOW CREATE TABLE of a table that has it)",
	1303: "check that the columns are the table's, in number and order (DESC TABLE)",
	1402: "this feature needs a Databend Enterprise licence; --skip-unsupported leaves such migrations out",
	1404: "the Databend Enterprise licence has expired",
	1702: "tasks and notifications need Databend Cloud or a task service (cloud control); --skip-unsupported leaves such migrations out",
	2009: "the table was changed by someone else at the same time; run it again",
	2013: "the table's history no longer reaches that far (data_retention_time_in_days)",
	2014: "another COPY loaded the same file at the same time; run the load again",
	2015: "another statement holds the table's lock; run it again later",
	2204: "check role= in the DSN (SHOW ROLES)",
	2301: "it exists already: `dbctl migrate baseline VERSION` adopts what is there",
	2302: "it exists already: `dbctl migrate baseline VERSION` adopts what is there",
	2306: "it exists already: `dbctl migrate baseline VERSION` adopts what is there",
	2406: "check warehouse= in the DSN",
	2501: "create the stage first (a migration), or check its name (SHOW STAGES)",
	2506: "ask an administrator to GRANT READ or WRITE ON STAGE to this role",
	2510: "create the connection first (a migration), or check its name (SHOW CONNECTIONS)",
	2602: "create the function first, or check its name (SHOW USER FUNCTIONS)",
	2611: "check the task's name (SHOW TASKS)",
	2730: "check the stream's name (SHOW STREAMS)",
	2733: "the stream's table was dropped or made again; recreate the stream",
	2801: "check the names of settings, and the parameters of the DSN: one that is not known there is taken for a setting",
	3001: "check the stage's URL, bucket and path (LIST @stage), and that the file is still there",
	3002: "the object store refused the key: check ACCESS_KEY_ID and SECRET_ACCESS_KEY of the connection, and their rights on the bucket",
	3901: "the object store does not answer; check the endpoint, try again later",
	3902: "this storage does not support it (a local disk has no presigned URLs)",
	4000: "the object store gave an error: check bucket, region and endpoint of the stage's connection",
	4001: "another session changed the same table; run it again",
	4002: "an earlier statement of the transaction failed; it was rolled back",
	5100: "check the user and the password or access token of this environment",
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
