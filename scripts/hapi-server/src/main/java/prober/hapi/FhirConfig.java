package prober.hapi;

import ca.uhn.fhir.batch2.api.IJobMaintenanceService;
import ca.uhn.fhir.batch2.jobs.bulkmodify.reindex.ReindexProvider;
import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.batch2.maintenance.JobMaintenanceServiceImpl;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.IDaoRegistry;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.ResourceCountCacheUtil;
import ca.uhn.fhir.jpa.dao.FulltextSearchSvcImpl;
import ca.uhn.fhir.jpa.dao.IFulltextSearchSvc;
import ca.uhn.fhir.jpa.dao.search.HSearchSortHelperImpl;
import ca.uhn.fhir.jpa.dao.search.IHSearchSortHelper;
import ca.uhn.fhir.jpa.provider.DaoRegistryResourceSupportedSvc;
import ca.uhn.fhir.jpa.provider.DiffProvider;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.ValueSetOperationProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.search.IStaleSearchDeletingSvc;
import ca.uhn.fhir.jpa.search.StaleSearchDeletingSvcImpl;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.jpa.util.ResourceCountCache;
import ca.uhn.fhir.rest.api.IResourceSupportedSvc;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.interceptor.CorsInterceptor;
import ca.uhn.fhir.rest.server.interceptor.LoggingInterceptor;
import ca.uhn.fhir.rest.server.interceptor.ResponseHighlighterInterceptor;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import java.net.InetAddress;
import java.util.List;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.web.embedded.tomcat.TomcatServletWebServerFactory;
import org.springframework.boot.web.servlet.ServletRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.core.env.Environment;
import org.springframework.web.cors.CorsConfiguration;

/** The FHIR endpoint: what a plain HAPI R4 server offers by default, with bulk export switched on. */
@Configuration
@Import({
    JpaR4Config.class,
    JpaBatch2Config.class,
    Batch2JobsConfig.class,
    SubscriptionChannelConfig.class,
    SubscriptionProcessorConfig.class,
    SubscriptionSubmitterConfig.class,
    ThreadPoolFactoryConfig.class,
})
public class FhirConfig {
    @Bean
    public TomcatServletWebServerFactory webServer(Environment environment) {
        int port = environment.getRequiredProperty(HapiServer.PORT, Integer.class);
        TomcatServletWebServerFactory factory = new TomcatServletWebServerFactory(port);
        factory.setAddress(InetAddress.getLoopbackAddress());
        // FHIR token searches carry an unescaped bar: identifier=system|value.
        factory.addConnectorCustomizers(connector -> connector.setProperty("relaxedQueryChars", "|"));
        return factory;
    }

    @Bean
    public ServletRegistrationBean<RestfulServer> fhirServlet(RestfulServer server) {
        ServletRegistrationBean<RestfulServer> registration = new ServletRegistrationBean<>(server, "/fhir/*");
        registration.setLoadOnStartup(1);
        return registration;
    }

    @Bean
    public RestfulServer fhirServer(
            IFhirSystemDao<?, ?> system,
            IJpaSystemProvider systemProvider,
            ResourceProviderFactory resourceProviders,
            BulkDataExportProvider bulkExport,
            ReindexProvider reindex,
            DiffProvider diff,
            ValueSetOperationProvider valueSets,
            DatabaseBackedPagingProvider paging,
            JpaStorageSettings storage,
            ISearchParamRegistry searchParameters,
            IValidationSupport validation) {
        RestfulServer server = new RestfulServer(system.getContext());
        server.registerProviders(resourceProviders.createProviders());
        server.registerProviders(systemProvider, bulkExport, reindex, diff, valueSets);
        server.setPagingProvider(paging);
        server.setDefaultPrettyPrint(true);

        JpaCapabilityStatementProvider statement =
                new JpaCapabilityStatementProvider(server, system, storage, searchParameters, validation);
        statement.setImplementationDescription("HAPI FHIR R4 Server");
        server.setServerConformanceProvider(statement);

        server.registerInterceptor(new CorsInterceptor(anyOrigin()));
        server.registerInterceptor(new ResponseHighlighterInterceptor());
        server.registerInterceptor(accessLog());
        return server;
    }

    private static CorsConfiguration anyOrigin() {
        CorsConfiguration cors = new CorsConfiguration();
        cors.setAllowedOriginPatterns(List.of("*"));
        cors.setAllowedMethods(List.of("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"));
        cors.setAllowedHeaders(List.of("Accept", "Authorization", "Content-Type", "Origin", "Prefer", "X-Requested-With"));
        cors.setExposedHeaders(List.of("Content-Location", "Location"));
        cors.setAllowCredentials(true);
        return cors;
    }

    private static LoggingInterceptor accessLog() {
        LoggingInterceptor log = new LoggingInterceptor();
        log.setLoggerName("access");
        log.setMessageFormat("${requestVerb} ${requestUrl}${requestParameters} ${processingTimeMillis} ms");
        log.setErrorMessageFormat("${requestVerb} ${requestUrl}${requestParameters} failed: ${exceptionMessage}");
        log.setLogExceptions(true);
        return log;
    }

    /**
     * HAPI moves a bulk export forward by one step per maintenance pass, once a minute by default: four minutes even
     * for three patients. One second changes only how long a job takes, not what the server answers.
     */
    @Autowired
    void hurry(IJobMaintenanceService maintenance) {
        ((JobMaintenanceServiceImpl) maintenance).setScheduledJobFrequencyMillis(1000);
    }

    @Bean
    public DatabaseBackedPagingProvider pagingProvider() {
        DatabaseBackedPagingProvider paging = new DatabaseBackedPagingProvider();
        paging.setDefaultPageSize(20);
        paging.setMaximumPageSize(200);
        return paging;
    }

    @Bean
    public IResourceSupportedSvc resourceSupportedSvc(IDaoRegistry registry) {
        return new DaoRegistryResourceSupportedSvc(registry);
    }

    /** HAPI looks this one up by name. */
    @Bean(name = "myResourceCountsCache")
    public ResourceCountCache resourceCounts(IFhirSystemDao<?, ?> system) {
        return ResourceCountCacheUtil.newResourceCountCache(system);
    }

    @Bean
    public IFulltextSearchSvc fullTextSearch() {
        return new FulltextSearchSvcImpl();
    }

    @Bean
    public IHSearchSortHelper searchSortHelper(ISearchParamRegistry searchParameters) {
        return new HSearchSortHelperImpl(searchParameters);
    }

    @Bean
    public IStaleSearchDeletingSvc staleSearchDeletion() {
        return new StaleSearchDeletingSvcImpl();
    }

    /** No channel of this server sends mail; HAPI's subscription beans ask for a sender all the same. */
    @Bean
    public IEmailSender emailSender() {
        return details -> {};
    }
}
